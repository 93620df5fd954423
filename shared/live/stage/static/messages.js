// What the stage says in words: a banner that stays, a notice that goes, and a whisper for screen readers.

import { h, mark, write } from "./dom.js";
import { fill } from "./numbers.js";

const NOTICE = 8000; // ms that a notice stays

/** What the knobs call each of their choices, without what is said of it after a colon: "Reacher: two motors, …". */
function choices(knobs) {
  const labels = knobs.flatMap((knob) => Object.entries(knob.choice_labels ?? {}));
  return Object.fromEntries(labels.map(([choice, label]) => [choice, label.split(":")[0]]));
}

export class Messages {
  constructor(stage) {
    this.stage = stage;
    this.banner = h("p", { class: "banner", "data-message": "", hidden: true });
    this.note = h("p", { class: "banner notice", role: "status", "data-notice": "", hidden: true });
    this.whisper = h("p", { class: "unseen", "aria-live": "polite" });
    this.element = h("div", { class: "messages" }, this.banner, this.note, this.whisper);
  }

  /** The sentence for a code, in the reader's language. */
  sentence({ code, details }) {
    const { data } = this.stage;
    const sentence = data.words.messages?.[code];
    const names = { ...choices(data.knobs), ...data.words.names, ...Object.fromEntries(data.knobs.map((knob) => [knob.name, knob.label])) };
    return sentence ? fill(sentence, details, names, data.language) : code;
  }

  /** What holds until it changes: why a run stopped, that the connection is lost. Failures are alerts. */
  state(text, failed = false) {
    this.banner.hidden = !text;
    mark(this.banner, "role", failed ? "alert" : null);
    this.banner.classList.toggle("failed", failed);
    write(this.banner, text ?? "");
  }

  notice(message) {
    this.tell(this.sentence(message));
  }

  tell(text) {
    this.note.hidden = false;
    write(this.note, text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.note.hidden = true), NOTICE);
  }

  say(text) {
    write(this.whisper, text);
  }
}
