// The clicker's and the keyboard's keys, heard by one stage of a page at a time; and the list of them.

import { h, icon, ICONS, write } from "./dom.js";

const stages = []; // those on the page; the last one touched comes first

/** A stage listens from now on; one of the lecture goes before the others. */
export function listen(stage) {
  stages.push(stage);
  stage.root.addEventListener("pointerdown", () => front(stage), true);
  stage.root.addEventListener("focusin", () => front(stage));
  // Before Streamlit's own shortcuts (R reruns the script there), which listen on the document.
  if (stages.length === 1) window.addEventListener("keydown", pressed, true);
}

export function ignore(stage) {
  const place = stages.indexOf(stage);
  if (place >= 0) stages.splice(place, 1);
  if (!stages.length) window.removeEventListener("keydown", pressed, true);
}

function front(stage) {
  stages.sort((a, b) => (b === stage) - (a === stage));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const stage = stages.find(({ data }) => data.lecture) ?? stages[0];
  if (!stage?.data) return;
  const action = actionOf(event, stage);
  if (!action) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!event.repeat || action === "step") stage.actions.key(action);
}

const LETTERS = { s: "step", r: "reset", f: "full_screen", "?": "keys" };
const TURNS = { PageDown: "next", ArrowRight: "next", PageUp: "previous", ArrowLeft: "previous" };

const LECTURE = new Set(["next", "previous", "leave"]); // keys that mean something in a lecture only

/** What a key asks of the stage, or null where it belongs to the element that has the focus. */
function actionOf(event, stage) {
  const target = event.composedPath()[0];
  if (stage.keys.dialog.open) return null;
  if (target.isContentEditable || target.matches?.("textarea, select, input:not([type=range], [type=checkbox], [type=radio], [type=button])")) return null;
  const letter = LETTERS[event.key.toLowerCase()];
  if (letter) return letter;
  if (event.key === "Escape" && stage.data.lecture && !document.fullscreenElement) return "leave";
  const turn = stage.data.lecture && TURNS[event.key];
  if (turn && event.key.startsWith("Arrow") && target.matches?.(".playable")) return null; // a clicker still turns
  if (turn) return target.matches?.("input, .drawable, [role=listbox]") ? null : turn;
  if (event.key !== " " || target.matches?.(".firing")) return null;
  // A button that the mouse pressed keeps the focus, but not the space bar: a lecturer's space is play or pause.
  const mine = target === document.body || target === document.documentElement || (stage.data.lecture && !target.matches?.(":focus-visible"));
  return mine ? "play" : null;
}

/** The dialog that names the keys. */
export class Keys {
  constructor(stage) {
    this.stage = stage;
    this.title = h("h2");
    this.list = h("ul");
    this.close = h("button", { type: "button", class: "bare", onclick: () => this.dialog.close() }, icon(ICONS.close));
    this.dialog = h("dialog", { class: "keys", "data-part": "keys" }, h("header", {}, this.title, this.close), this.list);
    // A click on the shade around it closes it, too.
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => event.key === "?" && this.dialog.close());
  }

  update() {
    const { data } = this.stage;
    write(this.title, this.stage.word("controls", "keys"));
    this.dialog.setAttribute("aria-label", this.title.textContent);
    this.close.setAttribute("aria-label", this.stage.word("controls", "close"));
    const shown = Object.entries(data.words.keys ?? {}).filter(([key]) => data.lecture || !LECTURE.has(key));
    this.list.replaceChildren(...shown.map(([, text]) => h("li", {}, text)));
  }

  open() {
    if (!this.dialog.open) this.dialog.showModal();
  }
}
