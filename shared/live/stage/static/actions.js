// What a person can do to a run, from the bar, the knobs, the pictures or the keys: each is one operation.

export const GROUP = "stage-group"; // the window's event by which stages of one group steer each other
const NEW_SEEDS = 100000; // a new seed is drawn below this
const FORWARD = new Set(["play", "step", "phase", "reset", "seed", "configure"]); // they make no sense in the past

export class Actions {
  constructor(stage) {
    this.stage = stage;
    this.waiting = new Map(); // what a drag will send at the next animation frame; null: what has been sent in this one
  }

  /** Send one operation; with `all`, the other stages of the group do the same. */
  send(operation, all = false, when = performance.now()) {
    const { stage } = this;
    if (stage.role !== "owner") return;
    if (FORWARD.has(operation.op) && stage.lookingBack !== null) this.seek(null);
    stage.projector.acted(stage.connection.send(operation), when);
    if (all && stage.data.group)
      window.dispatchEvent(new CustomEvent(GROUP, { detail: { group: stage.data.group, from: stage, operation } }));
  }

  /** For drags: at most one operation of a kind an animation frame, the first at once and the last value always. */
  coalesce(operation) {
    const kind = `${operation.op} ${operation.name ?? ""}`;
    const first = this.waiting.size === 0;
    if (this.waiting.has(kind)) this.waiting.set(kind, [operation, performance.now()]);
    else {
      this.waiting.set(kind, null);
      this.send(operation);
    }
    if (first) requestAnimationFrame(() => this.flush());
  }

  flush() {
    const waiting = [...this.waiting.values()].filter(Boolean);
    this.waiting.clear();
    for (const [operation, when] of waiting) this.send(operation, false, when);
  }

  toggle() {
    const { state } = this.stage.status ?? {};
    if (state === "playing") this.send({ op: "pause" }, true);
    else if (state === "paused") this.send({ op: "play" }, true);
  }

  step() {
    this.send({ op: "step" }, true);
  }

  phase() {
    this.send({ op: "phase" }, true);
  }

  reset() {
    this.send({ op: "reset" }, true);
  }

  newSeed() {
    this.send({ op: "seed", value: Math.floor(Math.random() * NEW_SEEDS) }, true);
  }

  /** Look back at a step of the history, or at the present again (null). It does not stop the run. */
  seek(step) {
    this.stage.lookingBack = step;
    this.stage.showState();
    if (step !== null) return this.coalesce({ op: "seek", step });
    this.waiting.delete("seek ");
    this.send({ op: "seek", step: null });
  }

  /** In a lecture the whole page, so that a change of scene cannot end it; else the stage alone. */
  fullScreen() {
    if (document.fullscreenElement) return void document.exitFullscreen();
    const element = this.stage.data.lecture ? document.documentElement : this.stage.root;
    element.requestFullscreen?.().catch((error) => console.warn("stage: no full screen:", error.message));
  }

  /** Copy the viewers' address; where the browser forbids that (no https), show it to be copied by hand. */
  async share() {
    const { stage } = this;
    const address = new URL(stage.data.share, location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      stage.messages.tell(stage.word("controls", "copied"));
    } catch {
      stage.messages.tell(address);
    }
  }

  scene(way) {
    const id = this.stage.data.scenes?.[way];
    if (id) this.stage.trigger("scene", id);
  }

  /** A key of the clicker or the keyboard, by its name in the words' section "keys". */
  key(name) {
    const does = {
      next: () => this.scene("next"),
      previous: () => this.scene("previous"),
      play: () => this.toggle(),
      step: () => this.step(),
      reset: () => this.reset(),
      full_screen: () => this.fullScreen(),
      keys: () => this.stage.keys.open(),
      leave: () => this.stage.trigger("lecture", "left"),
    };
    does[name]?.();
  }
}
