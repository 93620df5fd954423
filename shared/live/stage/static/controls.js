// The bar that steers a run: play, step, speed, start again, seed, history, full screen, keys.

import { h, icon, ICONS, mark, write } from "./dom.js";
import { fill } from "./numbers.js";

// Each speed of the scheduler's, and the word for it.
const SPEEDS = { slow: "slow", quarter: "quarter", game: "game", 1: "one", 10: "ten", max: "max", fast: "fast" };

export class Controls {
  constructor(stage) {
    this.stage = stage;
    this.element = h("div", { class: "bar", role: "toolbar" });
    this.status = null;
  }

  /** Other words, phases or rights: the bar is made anew, its focus kept. */
  update() {
    const { stage } = this;
    const focused = this.element.getRootNode().activeElement?.dataset?.control;
    const owner = stage.role === "owner";
    mark(this.element, "aria-label", stage.data.title || stage.data.experiment);
    this.play = this.button("play", "play", () => stage.actions.toggle(), "big");
    this.seed = this.seedField();
    this.speed = this.speedList();
    this.remedies = []; // each shows its button, or hides it
    const steering = [
      this.play,
      this.button("step", "step", () => stage.actions.step()),
      stage.data.phases?.length ? this.button("phase", "phase", () => stage.actions.phase()) : null,
      this.button("reset", "reset", () => stage.actions.reset()),
      ...(stage.data.remedies ?? []).map((remedy) => this.remedy(remedy)),
      this.speed,
      h("span", { class: "seed" }, h("label", {}, h("span", {}, stage.word("controls", "seed")), this.seed), this.button("new-seed", "dice", () => stage.actions.newSeed(), "bare", "new_seed")),
    ];
    this.readout = h("span", { class: "readout" });
    const rest = [
      owner && stage.data.share ? this.button("share", "share", () => stage.actions.share(), "bare") : null,
      this.button("full-screen", "fullScreen", () => stage.actions.fullScreen(), "bare", "full_screen"),
      this.button("keys", "keys", () => stage.keys.open(), "bare"),
    ];
    this.element.replaceChildren(...(owner ? steering : []).filter(Boolean), ...this.timeline(owner), h("span", { class: "aside" }, rest.filter(Boolean)));
    if (focused) this.element.querySelector(`[data-control="${focused}"]`)?.focus();
    if (this.status) this.show(this.status);
  }

  button(control, picture, press, look = "", word = control) {
    const text = this.stage.word("controls", word);
    return h("button", { type: "button", class: look, "data-control": control, title: text, onclick: press }, icon(ICONS[picture]), h("span", { class: "text" }, text));
  }

  /** Live knobs that one press moves on the running run; not there while they all stand where it would move them. */
  remedy({ id, label, knobs }) {
    const press = () => Object.entries(knobs).forEach(([name, value]) => this.stage.actions.send({ op: "knob", name, value }));
    const button = h("button", { type: "button", class: "remedy", "data-control": `remedy:${id}`, hidden: true, onclick: press }, label);
    this.remedies.push((config) => (button.hidden = Object.entries(knobs).every(([name, value]) => config[name] === value)));
    return button;
  }

  speedList() {
    const { stage } = this;
    const options = stage.data.speeds.filter((value) => value !== "slow" || stage.data.phases?.length);
    this.chosen = -Infinity;
    const turned = (event) => {
      this.chosen = performance.now();
      stage.actions.send({ op: "speed", value: event.target.value }, true);
    };
    const list = h("select", { "data-control": "speed", "aria-label": stage.word("controls", "speed"), title: stage.word("controls", "speed"), onchange: turned });
    const word = (value) => (value === "max" && stage.data.own_time ? "own" : SPEEDS[value]);
    list.append(...options.map((value) => h("option", { value }, stage.word("speeds", word(value)))));
    return list;
  }

  seedField() {
    const turned = (event) => {
      const value = Number(event.target.value);
      if (event.target.value !== "" && Number.isInteger(value) && value >= 0) this.stage.actions.send({ op: "seed", value }, true);
      else event.target.value = this.status?.seed ?? 0;
    };
    return h("input", { type: "number", min: 0, step: 1, "data-control": "seed", "aria-label": this.stage.word("controls", "seed"), onchange: turned });
  }

  /** The history's slider with the step beside it. The thumb rests at the end while one looks at the present. */
  timeline(owner) {
    const { stage } = this;
    this.scrubber = h("input", { type: "range", min: 0, max: 0, step: 1, "data-control": "seek", "aria-label": stage.word("controls", "seek"), title: stage.word("controls", "seek") });
    this.scrubber.addEventListener("input", () => {
      const step = this.scrubber.valueAsNumber;
      this.stage.actions.seek(step >= Number(this.scrubber.max) ? null : step);
    });
    this.now = this.button("live", "live", () => stage.actions.seek(null), "bare");
    return owner ? [h("span", { class: "timeline" }, this.scrubber, this.now, this.readout)] : [h("span", { class: "timeline" }, this.readout)];
  }

  /** What the server says of the run. */
  show(status) {
    this.status = status;
    const { stage } = this;
    const playing = status.state === "playing";
    const control = playing ? "pause" : "play";
    if (this.play.dataset.control !== control) {
      this.play.dataset.control = control;
      this.play.title = stage.word("controls", control);
      this.play.replaceChildren(icon(ICONS[control]), h("span", { class: "text" }, stage.word("controls", control)));
    }
    for (const remedy of this.remedies) remedy(status.config ?? {});
    const over = status.state === "done" || status.state === "failed";
    this.play.disabled = over || status.state === "loading";
    for (const name of ["step", "phase"]) {
      const button = this.element.querySelector(`[data-control="${name}"]`);
      if (button) button.disabled = this.play.disabled;
    }
    // A choice just made is not undone by a status that was under way.
    if (performance.now() - this.chosen > 600) this.speed.value = status.speed;
    if (this.seed !== this.element.getRootNode().activeElement) this.seed.value = status.seed;
    this.showTime();
  }

  /** The step on the screen, and where it lies in the history. */
  showTime() {
    const { stage, status } = this;
    if (!status) return;
    const back = stage.lookingBack !== null;
    const { first = 0, last = 0, count = 0 } = status.history ?? {};
    mark(this.scrubber, "min", first);
    mark(this.scrubber, "max", Math.max(last, status.step));
    this.scrubber.disabled = count < 2;
    const value = back ? stage.lookingBack : Number(this.scrubber.max);
    if (this.scrubber.valueAsNumber !== value) this.scrubber.value = value;
    const step = stage.number(stage.shownStep ?? status.step);
    mark(this.scrubber, "aria-valuetext", `${stage.word("readout", "step")} ${step}`);
    this.now.disabled = !back;
    write(this.readout, back ? this.past(step) : this.present(step));
  }

  past(step) {
    const { stage, status } = this;
    return fill(stage.word("readout", "looking_back"), { step, live: stage.number(status.step) });
  }

  present(step) {
    const { stage, status } = this;
    const said = [stage.word("states", status.state), `${stage.word("readout", "step")} ${step}`];
    if (stage.role === "viewer") said.unshift(stage.word("states", "watching"));
    if (status.state === "playing" && status.steps_per_second) {
      const speed = stage.short(Number(status.steps_per_second.toPrecision(2)));
      said.push(`${speed} ${stage.word("readout", "steps_per_second")}`);
    }
    return said.join(" · ");
  }
}
