// The run's knobs as native widgets: sliders, lists, boxes; a live one moves the run, another starts it again.

import { h, mark, write } from "./dom.js";

const SETTLE = 600; // ms after the last touch before the run's own value is shown again
const LONG = 400; // characters from which a text gets more than one line,
const LINES = 4000; // and from which it gets a small page
const NOTCHES = 100; // places, at least, on a slider that has no whole numbers; each differs in the figures shown

export class Knobs {
  constructor(stage) {
    this.stage = stage;
    this.summary = h("summary");
    this.list = h("div", { class: "knob-list" });
    this.element = h("details", { class: "knobs" }, this.summary, this.list);
    this.element.addEventListener("toggle", () => this.element.parentElement?.classList.toggle("with-knobs", this.element.open));
    this.widgets = new Map();
  }

  /** Other knobs, another language, another scene. */
  update() {
    const { data } = this.stage;
    this.element.hidden = !data.knobs.length;
    write(this.summary, this.stage.word("controls", "knobs"));
    this.widgets.clear();
    this.list.replaceChildren(...data.knobs.map((knob) => this.row(knob)));
    if (this.config) this.show(this.config);
  }

  row(knob) {
    const widget = makeWidget(knob, this.stage, (value) => this.turned(knob, value));
    const id = `knob-${knob.name}`;
    widget.input.id = id;
    mark(widget.input, "data-control", `knob:${knob.name}`);
    const restart = knob.live ? "" : this.stage.word("readout", "restart_knob");
    const help = [knob.help, restart].filter(Boolean).join(" ");
    const hint = help && h("p", { class: "unseen", id: `${id}-help` }, help);
    if (help) mark(widget.input, "aria-describedby", `${id}-help`);
    const label = h("label", { for: id, title: help || null }, knob.label, restart && h("span", { class: "restarts", "aria-hidden": "true" }, " ↻"));
    this.widgets.set(knob.name, { ...widget, touched: -Infinity });
    return h("div", { class: `knob ${widget.kind}`, title: help || null }, label, widget.output ?? null, widget.input, hint || null);
  }

  turned(knob, value) {
    this.widgets.get(knob.name).touched = performance.now();
    // A run that could not be built, or was given up, begins with the new value; there is none to move it in.
    if (knob.live && !this.stage.status?.lost) this.stage.actions.coalesce({ op: "knob", name: knob.name, value });
    else this.stage.actions.send({ op: "configure", config: { [knob.name]: value } }, knob.together);
  }

  /** The run's own values; a knob that a hand is on keeps the hand's. */
  show(config) {
    this.config = config;
    for (const [name, widget] of this.widgets)
      if (name in config && performance.now() - widget.touched > SETTLE) widget.set(config[name]);
  }

  /** For those who only watch. */
  enable(on) {
    for (const { input } of this.widgets.values()) input.disabled = !on;
    for (const button of this.list.querySelectorAll("button")) button.disabled = !on;
  }
}

/** {kind, input, output, set(value)} for one knob; `turned(value)` is called when a person moves it. */
function makeWidget(knob, stage, turned) {
  if (knob.choices?.length) return knob.scale === "ordered" ? places(knob, turned) : select(knob, turned);
  if (knob.type === "bool") return box(knob, turned);
  if (knob.type === "str" && knob.length >= LONG) return page(knob, stage, turned);
  if (knob.type === "str" || knob.low === null || knob.high === null) return field(knob, turned);
  return slider(knob, stage, turned);
}

function select(knob, turned) {
  const label = (value) => knob.choice_labels?.[value] ?? String(value);
  const input = h("select", {}, ...knob.choices.map((value, i) => h("option", { value: i }, label(value))));
  input.addEventListener("change", () => turned(knob.choices[input.selectedIndex]));
  return { kind: "select", input, set: (value) => (input.selectedIndex = knob.choices.indexOf(value)) };
}

/** Choices that have an order, as places on a slider. */
function places({ name, choices, choice_labels: labels, live }, turned) {
  const most = choices.length - 1;
  const input = h("input", { type: "range", min: 0, max: most, step: 1 });
  const output = h("output", { for: `knob-${name}` });
  const readout = () => {
    const choice = choices[input.valueAsNumber];
    const label = labels?.[choice] ?? String(choice);
    write(output, label);
    mark(input, "aria-valuetext", label);
    input.style.setProperty("--filled", `${(input.valueAsNumber / (most || 1)) * 100}%`);
  };
  input.addEventListener("input", readout);
  input.addEventListener(live ? "input" : "change", () => turned(choices[input.valueAsNumber]));
  const set = (value) => {
    input.value = choices.indexOf(value);
    readout();
  };
  return { kind: "slider", input, output, set };
}

function box(knob, turned) {
  const input = h("input", { type: "checkbox" });
  input.addEventListener("change", () => turned(input.checked));
  return { kind: "box", input, set: (value) => (input.checked = value) };
}

/** A text of any length: Enter hands it over, Shift and Enter begin a line. */
function page(knob, stage, turned) {
  const input = h("textarea", { rows: knob.length > LINES ? 4 : 2, spellcheck: "false" });
  const long = () => stage.messages.notice({ code: "knob_length", details: { name: knob.name, length: knob.length } });
  // A text that is too long is neither cut nor sent: it stays where it is, to be shortened.
  input.addEventListener("change", () => (input.value.length > knob.length ? long() : turned(input.value)));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    input.blur(); // which hands a changed text over
  });
  return { kind: "field", input, set: (value) => offer(input, value) };
}

/** The run's own text, unless somebody is typing there. */
function offer(input, value) {
  if (input.getRootNode().activeElement !== input) input.value = value;
}

function field(knob, turned) {
  const input = h("input", { type: knob.type === "str" ? "text" : "number", maxlength: knob.length, step: knob.type === "int" ? 1 : "any" });
  input.addEventListener("change", () => turned(knob.type === "str" ? input.value : Number(input.value)));
  return { kind: "field", input, set: (value) => offer(input, value) };
}

function slider(knob, stage, turned) {
  const log = knob.scale === "log";
  const [from, to] = log ? [Math.log10(knob.low), Math.log10(knob.high)] : [knob.low, knob.high];
  const whole = knob.type === "int";
  // In tenths, hundredths, …, that a number named in a text can be set; by equal factors where the scale is a log one.
  const round = 10 ** Math.floor(Math.log10((to - from) / NOTCHES) + 1e-9);
  const step = log ? (to - from) / NOTCHES : whole ? 1 : Number(round.toPrecision(1));
  // A little more room: the last place must not be lost to rounding.
  const input = h("input", { type: "range", min: from, max: log ? to + step / 1000 : to, step });
  const output = h("output", { for: `knob-${knob.name}` });
  const readout = (value) => {
    write(output, stage.short(value));
    mark(input, "aria-valuetext", stage.short(value));
    input.style.setProperty("--filled", `${(((log ? Math.log10(value) : value) - from) / (to - from || 1)) * 100}%`);
  };
  const value = () => {
    const exact = log ? 10 ** input.valueAsNumber : input.valueAsNumber;
    // What the scene starts with can be gone back to, even where it lies between two places.
    const usual = log ? Math.log10(knob.default) : knob.default;
    if (Math.abs(input.valueAsNumber - usual) < step / 2) return knob.default;
    const rounded = whole ? Math.round(exact) : Number(exact.toPrecision(log ? 2 : 4));
    return Math.min(knob.high, Math.max(knob.low, rounded));
  };
  input.addEventListener("input", () => {
    readout(value());
    if (knob.live) turned(value());
  });
  if (!knob.live) input.addEventListener("change", () => turned(value()));
  const set = (now) => {
    input.value = log ? Math.log10(now) : now;
    readout(now);
  };
  return { kind: "slider", input, output, set };
}
