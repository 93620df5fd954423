// Slow motion: the phases of one step in a row, the one just run marked.

import { h, mark } from "./dom.js";

export class Phases {
  constructor(stage) {
    this.stage = stage;
    this.element = h("ol", { class: "phases", hidden: true });
    this.items = new Map();
    this.phase = "";
  }

  update() {
    this.items.clear();
    for (const { id, label } of this.stage.data.phases ?? []) this.items.set(id, h("li", { "data-phase": id }, label));
    mark(this.element, "aria-label", this.stage.word("readout", "phase"));
    this.element.replaceChildren(...this.items.values());
    this.show(this.phase, true);
  }

  /** Shown while a run goes phase by phase; once there, its room is kept, so that nothing below jumps. */
  show(phase, always = false) {
    if (phase === this.phase && !always) return;
    this.phase = phase;
    if (phase) this.element.hidden = this.items.size === 0;
    for (const [id, item] of this.items) mark(item, "aria-current", id === phase ? "step" : null);
    if (phase && !always) this.stage.messages.say(this.items.get(phase)?.textContent ?? phase);
  }
}
