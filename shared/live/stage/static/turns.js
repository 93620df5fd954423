// Takes a person's turns on a grid: a click or an arrow moves their piece, or paints with the brush that is chosen.

import { h, mark } from "./dom.js";

const WAYS = ["up", "right", "down", "left"];
const KEYS = { ArrowUp: "up", ArrowRight: "right", ArrowDown: "down", ArrowLeft: "left" };
const ARROWS = { up: "↑", right: "→", down: "↓", left: "←" };

/** The cell under a device pixel, or null. */
export function cellAt({ rows, columns, cell, left, top }, x, y) {
  const [column, row] = [Math.floor((x - left) / cell), Math.floor((y - top) / cell)];
  return column >= 0 && row >= 0 && column < columns && row < rows ? row * columns + column : null;
}

/** Let the grid be played on and painted; `state` holds its last view and where its cells lie. */
export function takeTurns(surface, state, context, redraw) {
  if (!state.turns) state.turns = new Turns(surface, state, context, redraw);
  state.turns.update();
}

class Turns {
  constructor(surface, state, context, redraw) {
    Object.assign(this, { surface, state, context, redraw, brush: "", cursor: 0 });
    const { canvas } = surface;
    canvas.classList.add("playable");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.painting && this.paint(cellAt(state.map, ...surface.place(event))));
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (this.painting = false));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, redraw);
  }

  /** The tools in the page's language, for those who steer; and the keyboard's cursor on the picture. */
  update() {
    const { context, state, surface } = this;
    const { brushes, player } = state.view;
    const word = (key) => context.word("controls", key);
    const key = JSON.stringify([word("grid_tool"), brushes.map(context.name), player]);
    if (this.built !== key) {
      this.built = key;
      this.build(brushes, player, word);
    }
    context.tools.hidden = !context.steers();
    if (!this.brush || !surface.canvas.matches(":focus-visible")) return;
    const { columns, cell, left, top, ratio } = state.map;
    surface.pen.strokeStyle = context.theme.text;
    surface.pen.lineWidth = 2 * ratio;
    surface.pen.setLineDash([4 * ratio, 3 * ratio]);
    surface.pen.strokeRect(left + (this.cursor % columns) * cell, top + Math.floor(this.cursor / columns) * cell, cell - 1, cell - 1);
    surface.pen.setLineDash([]);
  }

  build(brushes, player, word) {
    const { context } = this;
    const options = [...(player ? [["", word("grid_move")]] : []), ...brushes.map((kind) => [kind, `${word("grid_paint")}: ${context.name(kind)}`])];
    const list = h("select", { "data-control": "grid-tool", "aria-label": word("grid_tool"), title: word("grid_tool") });
    list.append(...options.map(([value, text]) => h("option", { value }, text)));
    list.value = this.brush;
    const buttons = WAYS.map((way) => {
      const press = () => this.move(way);
      return h("button", { type: "button", class: "small", "data-control": `move-${way}`, "aria-label": word(way), title: word(way), onclick: press }, ARROWS[way]);
    });
    const choose = () => {
      this.brush = list.value;
      for (const button of buttons) button.hidden = Boolean(this.brush) || !player;
      // A finger that paints must not scroll the page; one that plays may.
      this.surface.canvas.style.touchAction = this.brush ? "none" : "";
      this.redraw();
    };
    list.addEventListener("change", choose);
    mark(this.surface.canvas, "aria-description", word("grid_keys"));
    context.tools.replaceChildren(list, ...buttons);
    for (const button of buttons) button.hidden = Boolean(this.brush) || !player;
  }

  press(event) {
    const { state, surface, context } = this;
    const cell = cellAt(state.map, ...surface.place(event));
    if (event.button !== 0 || !context.steers() || cell === null) return;
    if (!this.brush) return this.towards(cell);
    surface.canvas.setPointerCapture(event.pointerId);
    this.painting = true;
    this.painted = null;
    this.paint(cell);
  }

  /** A click beside the piece, or further off, moves it one cell that way. */
  towards(cell) {
    const { columns } = this.state.map;
    const from = this.state.view.pieces[this.state.view.player];
    if (from === undefined) return;
    const [right, down] = [(cell % columns) - (from % columns), Math.floor(cell / columns) - Math.floor(from / columns)];
    if (!right && !down) return;
    if (Math.abs(right) >= Math.abs(down)) this.move(right > 0 ? "right" : "left");
    else this.move(down > 0 ? "down" : "up");
  }

  move(direction) {
    this.context.event({ kind: "move", view: this.context.view, direction });
  }

  paint(cell) {
    if (cell === null || cell === this.painted) return;
    this.painted = cell;
    this.context.event({ kind: "paint", view: this.context.view, cell, brush: this.brush });
  }

  /** Arrows move the piece, or the cursor of the brush; Enter paints. */
  key(event) {
    const way = KEYS[event.key];
    if (!this.context.steers() || (!way && !(this.brush && event.key === "Enter"))) return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.brush) return this.move(way);
    this.painted = null;
    if (!way) return this.paint(this.cursor);
    const { rows, columns } = this.state.map;
    const [row, column] = [Math.floor(this.cursor / columns), this.cursor % columns];
    const [down, right] = { up: [-1, 0], right: [0, 1], down: [1, 0], left: [0, -1] }[way];
    this.cursor = Math.min(rows - 1, Math.max(0, row + down)) * columns + Math.min(columns - 1, Math.max(0, column + right));
    this.redraw();
  }
}
