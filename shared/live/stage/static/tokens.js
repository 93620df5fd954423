// Draws a text in its pieces, each on a ground as strong as its value; of a long one, the end.

import { colours } from "./palette.js";
import { legend } from "./legend.js";
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
  const table = colours(false, context.theme.dark);
  const factor = 255 / (view.high - view.low || 1);
  pen.textBaseline = "middle";
  for (const { i, x, y, wide, high } of state.boxes) {
    const level = Math.min(255, Math.max(0, (view.values.data[i] - view.low) * factor)) | 0;
    pen.globalAlpha = GROUND;
    pen.fillStyle = css(table[level]);
    pen.fillRect(x, y, wide, high);
    pen.globalAlpha = 1;
    pen.fillStyle = view.tokens[i] === "\n" ? context.theme.muted : context.theme.text;
    pen.fillText(shape(view.tokens[i]), x, y + high / 2);
  }
  surface.hover(context, (x, y) => {
    const box = state.boxes.find((b) => x >= b.x && x < b.x + b.wide && y >= b.y && y < b.y + b.high);
    return box ? [JSON.stringify(state.view.tokens[box.i]), context.number(state.view.values.data[box.i])] : null;
  });
  legend(context, { scale: { table, low: view.low, high: view.high } });
  surface.describe(`${context.title}. ${view.tokens.join("")}`);
}

const css = (colour) => `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
const shape = (token) => (token === "\n" ? "↵" : token);

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
    if (tokens[i] === "\n") [x, line] = [0, line + 1];
  }
  const lines = (boxes.at(-1)?.line ?? 0) + 1;
  const first = Math.max(0, lines - Math.max(1, Math.floor(height / high)));
  return boxes.filter((box) => box.line >= first).map((box) => ({ ...box, y: (box.line - first) * high }));
}
