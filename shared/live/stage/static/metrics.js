// The live numbers: large, still in width, and written only when they change.

import { h, write } from "./dom.js";

const OFTEN = 100; // ms; faster than that nobody reads

export class Metrics {
  constructor(stage) {
    this.stage = stage;
    this.element = h("dl", { class: "metrics" });
    this.cells = new Map();
    this.last = 0;
  }

  /** New names, or another language. */
  update() {
    const { data } = this.stage;
    this.cells.clear();
    this.element.hidden = !data.metrics?.length;
    this.element.replaceChildren(
      ...(data.metrics ?? []).map((id) => {
        const value = h("dd", { "data-metric": id }, "–");
        this.cells.set(id, value);
        return h("div", { title: data.notes?.[id] || null }, h("dt", {}, this.stage.name(id)), value);
      }),
    );
    if (this.values) this.write();
  }

  /** A frame's numbers; the last of a burst is always written. */
  show(values) {
    this.values = values;
    if (this.timer) return;
    const wait = OFTEN - (performance.now() - this.last);
    if (wait <= 0) this.write();
    else this.timer = setTimeout(() => this.write(), wait);
  }

  write() {
    clearTimeout(this.timer);
    this.timer = null;
    this.last = performance.now();
    for (const [id, cell] of this.cells) {
      write(cell, this.stage.number(this.values[id]));
      cell.dataset.value = this.values[id] ?? "";
      // A number that this run does not have takes no room; one that only some phases have keeps its place.
      cell.parentElement.hidden = !(id in this.values) && !this.stage.data.phases?.length;
    }
  }
}
