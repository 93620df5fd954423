// Draws a matrix as colour, its rows and columns named where there is room.

import { colours } from "./palette.js";
import { legend } from "./legend.js";
import { surfaceOf } from "./surface.js";

const states = new WeakMap();

/** Draw `view` (see Heatmap in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = { cells: document.createElement("canvas") }));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  const [rows, columns] = view.values.shape;
  const table = colours(view.low < 0 && view.high > 0, context.theme.dark);
  fillCells(state, view, table);
  const box = (state.box = place(pen, view, surface, context));
  pen.imageSmoothingEnabled = false;
  pen.drawImage(state.cells, 0, 0, columns, rows, box.left, box.top, box.cell * columns, box.cell * rows);
  drawNames(pen, view, box, context);
  surface.hover(context, (x, y) => read(state, context, x, y));
  legend(context, { scale: { table, low: view.low, high: view.high } });
  surface.describe(`${context.title}. ${rows} × ${columns}`);
}

function fillCells(state, { values, low, high }, table) {
  const [rows, columns] = values.shape;
  if (state.cells.width !== columns || state.cells.height !== rows || !state.image) {
    state.cells.width = columns;
    state.cells.height = rows;
    state.pen = state.cells.getContext("2d", { willReadFrequently: true });
    state.image = state.pen.createImageData(columns, rows);
    state.pixels = new Uint32Array(state.image.data.buffer);
  }
  const factor = 255 / (high - low || 1);
  for (let i = 0; i < rows * columns; i++) {
    const level = (values.data[i] - low) * factor;
    state.pixels[i] = table[level < 0 ? 0 : level > 255 ? 255 : level | 0];
  }
  state.pen.putImageData(state.image, 0, 0);
}

/** The matrix's corner and cell size, with margins as wide as its names (measured again only when they change). */
function place(pen, view, { width, height, ratio }, { theme }) {
  const [rows, columns] = view.values.shape;
  const size = theme.small * ratio;
  pen.font = `${size}px ${theme.font}`;
  const widest = (names) => names.reduce((most, name) => Math.max(most, pen.measureText(name).width), 0);
  const left = view.rows.length ? Math.min(widest(view.rows) + 6 * ratio, width / 3) : 0;
  const top = view.columns.length ? Math.min(widest(view.columns) * 0.75 + size, height / 3) : 0;
  const cell = Math.max(1, Math.min((width - left) / columns, (height - top) / rows));
  return {
    cell,
    size,
    left: Math.round(left + Math.max(0, width - left - cell * columns) / 2),
    top: Math.round(top + Math.max(0, height - top - cell * rows) / 2),
  };
}

/** Every name, or every second, third, … where they would touch. */
function drawNames(pen, view, { cell, size, left, top }, { theme }) {
  const every = Math.max(1, Math.ceil((size * 1.1) / cell));
  pen.fillStyle = theme.text;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (let r = 0; r < view.rows.length; r += every) pen.fillText(view.rows[r], left - 4, top + (r + 0.5) * cell, left - 4);
  pen.textAlign = "left";
  for (let c = 0; c < view.columns.length; c += every) {
    pen.save();
    pen.translate(left + (c + 0.5) * cell, top - 4);
    pen.rotate(-Math.PI / 4);
    pen.fillText(view.columns[c], 0, 0);
    pen.restore();
  }
}

function read({ view, box }, context, x, y) {
  const [rows, columns] = view.values.shape;
  const row = Math.floor((y - box.top) / box.cell);
  const column = Math.floor((x - box.left) / box.cell);
  if (row < 0 || column < 0 || row >= rows || column >= columns) return null;
  const value = context.number(view.values.data[row * columns + column]);
  return [`${view.rows[row] ?? row} · ${view.columns[column] ?? column}`, value];
}
