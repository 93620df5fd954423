// Draws a text in its pieces, each on a ground as strong as its value; of a long one, the end.

import { Choice } from "./choice.js";
import { legend } from "./legend.js";
import { colours, styles } from "./palette.js";
import { surfaceOf } from "./surface.js";

const GROUND = 0.42; // of the colour: words must stay readable on any of them
const states = new WeakMap();

/** Draw `view` (see Tokens in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = { widths: new Map() }));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  const size = context.theme.size * surface.ratio;
  const font = `${size}px ui-monospace, "DejaVu Sans Mono", monospace`;
  if (state.font !== font) state.widths.clear();
  pen.font = state.font = font;
  state.boxes = arrange(view.tokens, (text) => width(pen, state.widths, text), surface, size);
  const { theme } = context;
  const table = colours(false, theme.dark);
  const kinds = view.kinds.length ? styles(view.kinds, theme.dark) : null;
  const factor = 255 / (view.high - view.low || 1);
  const selected = new Set(view.selected);
  const at = view.selectable ? choose(surface, state, context) : -1;
  const thick = 2 * surface.ratio;
  pen.textBaseline = "middle";
  for (const { i, x, y, wide, high } of state.boxes) {
    const value = view.values.data[i];
    const level = Math.min(255, Math.max(0, (value - view.low) * factor)) | 0;
    pen.globalAlpha = GROUND;
    pen.fillStyle = kinds ? kinds[view.kinds[value]].colour : css(table[level]);
    pen.fillRect(x, y, wide, high);
    pen.globalAlpha = 1;
    pen.fillStyle = view.tokens[i] === "\n" ? theme.muted : theme.text;
    pen.fillText(shape(view.tokens[i]), x, y + high / 2);
    pen.fillStyle = theme.primary;
    if (selected.has(i)) pen.fillRect(x, y + high - thick, wide, thick);
    if (i === at) outline(pen, x, y, wide, high, thick, theme);
  }
  surface.hover(context, (x, y) => read(state, context, x, y));
  const present = new Set(view.values.data);
  legend(context, kinds ? { styles: kinds, names: view.kinds.filter((_, i) => present.has(i)) } : { scale: { table, low: view.low, high: view.high } });
  surface.describe(`${context.title}. ${view.tokens.join("")}`);
}

/** A click chooses a piece, or Enter the one where the keyboard stands: its place, or -1. */
function choose(surface, state, context) {
  const select = (index) => context.event({ kind: "select", view: context.view, index });
  if (!state.choice) {
    state.choice = new Choice(surface.element, Infinity, select, () => surface.repaint());
    surface.canvas.classList.add("selectable");
    surface.canvas.addEventListener("click", (event) => {
      const box = boxAt(state, ...surface.place(event));
      if (box) select(box.i);
    });
  }
  return state.choice.update(context, state.view.tokens, state.view.selected);
}

const boxAt = ({ boxes }, x, y) => boxes.find((b) => x >= b.x && x < b.x + b.wide && y >= b.y && y < b.y + b.high);

/** The piece under the pointer, and its value or kind. */
function read(state, context, x, y) {
  const box = boxAt(state, x, y);
  if (!box) return null;
  const { tokens, values, kinds } = state.view;
  const value = values.data[box.i];
  return [JSON.stringify(tokens[box.i]), kinds.length ? context.name(kinds[value]) : context.number(value)];
}

function outline(pen, x, y, wide, high, thick, { text }) {
  pen.strokeStyle = text;
  pen.lineWidth = thick;
  pen.setLineDash([2 * thick, thick]);
  pen.strokeRect(x, y, wide, high);
  pen.setLineDash([]);
}

const css = (colour) => `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
const shape = (token) => token.replaceAll("\n", "↵");

function width(pen, widths, text) {
  let found = widths.get(text);
  if (found === undefined) widths.set(text, (found = pen.measureText(text).width));
  return found;
}

/** Where each piece stands: from left to right, a new line where it ends or is full; the last lines where not all fit. */
function arrange(tokens, widthOf, { width: room, height }, size) {
  const high = Math.round(size * 1.5);
  const boxes = [];
  let [x, line] = [0, 0];
  for (let i = 0; i < tokens.length; i++) {
    const wide = widthOf(shape(tokens[i]));
    if (x > 0 && x + wide > room) [x, line] = [0, line + 1];
    boxes.push({ i, x, line, wide, high });
    x += wide;
    if (tokens[i].endsWith("\n")) [x, line] = [0, line + 1];
  }
  const lines = (boxes.at(-1)?.line ?? 0) + 1;
  const first = Math.max(0, lines - Math.max(1, Math.floor(height / high)));
  return boxes.filter((box) => box.line >= first).map((box) => ({ ...box, y: (box.line - first) * high }));
}
