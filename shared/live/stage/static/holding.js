// Keys that a person holds down on a picture, or buttons below it, to steer what moves there.

import { h, mark } from "./dom.js";

const KEYS = { ArrowUp: "up", ArrowRight: "right", ArrowDown: "down", ArrowLeft: "left", " ": "fire" };
const SIGNS = { left: "←", up: "↑", down: "↓", right: "→", fire: "●" };

/** Let those who steer hold the keys that `state.view.keys` names. */
export function hold(surface, state, context) {
  if (!state.holding) state.holding = new Holding(surface, state, context);
  state.holding.update();
}

class Holding {
  constructor(surface, state, context) {
    Object.assign(this, { surface, state, context, held: [], said: "" });
    const { canvas } = surface;
    canvas.classList.add("playable");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.addEventListener("pointerdown", () => canvas.focus());
    canvas.addEventListener("keydown", (event) => this.key(event, true));
    canvas.addEventListener("keyup", (event) => this.key(event, false));
    canvas.addEventListener("blur", () => this.release());
  }

  /** A button for each key, in the page's language. */
  update() {
    const { context, state, surface } = this;
    const word = (key) => context.word("controls", key);
    const { keys } = state.view;
    const how = word(keys.includes("fire") ? "game_keys" : "sketch_keys");
    context.tools.hidden = !context.steers();
    const key = JSON.stringify([keys, how, word("left")]);
    if (this.built === key) return;
    this.built = key;
    surface.canvas.classList.toggle("firing", keys.includes("fire")); // keys.js leaves the space bar to it
    mark(surface.canvas, "aria-description", how);
    const ways = Object.keys(SIGNS).filter((way) => keys.includes(way));
    context.tools.replaceChildren(
      ...ways.map((way) => {
        const press = (event) => {
          event.target.setPointerCapture?.(event.pointerId);
          this.set(way, true);
        };
        const free = () => this.set(way, false);
        const listeners = { onpointerdown: press, onpointerup: free, onpointercancel: free };
        return h("button", { type: "button", class: "small", "data-control": `hold-${way}`, "aria-label": word(way), title: word(way), ...listeners }, SIGNS[way]);
      }),
    );
  }

  key(event, down) {
    const way = KEYS[event.key];
    if (!this.context.steers() || !way || !this.state.view.keys.includes(way)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) this.set(way, down);
  }

  set(way, down) {
    this.held = this.held.filter((other) => other !== way);
    if (down) this.held.push(way);
    this.say();
  }

  release() {
    if (!this.held.length) return;
    this.held = [];
    this.say();
  }

  /** Of two ways at once the one pressed last is the direction; a world that knows more asks what is held. */
  say() {
    const said = this.held.join(" ");
    if (said === this.said) return;
    this.said = said;
    this.context.event({ kind: "hold", view: this.context.view, direction: this.held.at(-1) ?? "", held: this.held });
  }
}
