// Draws a matrix as colour, its rows and columns named where there is room; a large one can be zoomed and moved.

import { mark } from "./dom.js";
import { legend } from "./legend.js";
import { colours } from "./palette.js";
import { surfaceOf } from "./surface.js";

const LARGE = 100; // rows or columns from which the wheel zooms; over a small one it scrolls the page
const DEEPEST = 40; // CSS pixels a cell can be zoomed to
const ARROWS = { ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowLeft: [-1, 0] }; // columns, rows
const NEARER = { "+": 1.25, "=": 1.25, "-": 0.8 };
const states = new WeakMap();

/** Draw `view` (see Heatmap in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = { cells: document.createElement("canvas"), zoom: 1, x: 0, y: 0 }));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  const [rows, columns] = view.values.shape;
  const table = colours(view.low < 0 && view.high > 0, context.theme.dark);
  fillCells(state, view, table);
  const box = (state.box = zoomed(state, place(pen, view, surface, context), rows, columns));
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top, box.wide, box.high);
  pen.clip();
  pen.imageSmoothingEnabled = box.cell < 1;
  const corner = [box.left - box.x * box.across, box.top - box.y * box.cell];
  pen.drawImage(state.cells, 0, 0, columns, rows, ...corner, box.across * columns, box.cell * rows);
  if (view.selected.length) frame(pen, view.selected, box, context, surface.ratio);
  pen.restore();
  drawNames(pen, view, box, context);
  listen(surface, state, context);
  surface.hover(context, (x, y) => read(state, context, x, y));
  legend(context, { scale: { table, low: view.low, high: view.high } });
  // Where the views stand one under the other, its own form says how high it is; never higher than wide.
  element.style.setProperty("--aspect", view.wide ? 1 : Math.min(4, Math.max(1, (0.8 * columns) / rows)).toFixed(2));
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
  // Names that slant to the right end beyond their last column, and the last row's name may be taller than its row.
  const beyond = view.wide ? top : view.columns.length ? 0.75 * widest(view.columns.slice(-1)) : 0;
  const below = view.rows.length ? Math.max(0, size * 1.2 - (height - top) / rows) / 2 : 0;
  const cell = Math.min((width - left - beyond) / columns, (height - top - below) / rows);
  const across = view.wide ? (width - left - beyond) / columns : cell;
  return {
    cell,
    across,
    size,
    left: Math.round(left + Math.max(0, width - left - beyond - across * columns) / 2),
    top: Math.round(top + Math.max(0, height - top - below - cell * rows) / 2),
    wide: across * columns,
    high: cell * rows,
    deepest: Math.max(1, (DEEPEST * ratio) / cell),
  };
}

/** The same place with larger cells, (x, y) the one in its corner; never beyond the matrix. */
function zoomed(state, box, rows, columns) {
  if (Math.max(rows, columns) < LARGE) state.zoom = 1;
  state.zoom = Math.min(box.deepest, Math.max(1, state.zoom));
  const kept = (at, count) => Math.min(count - count / state.zoom, Math.max(0, at));
  [state.x, state.y] = [kept(state.x, columns), kept(state.y, rows)];
  return { ...box, cell: box.cell * state.zoom, across: box.across * state.zoom, x: state.x, y: state.y };
}

/** The wheel zooms about the pointer, dragging moves, a double click shows all again; a click chooses a cell. */
function listen(surface, state, context) {
  const { canvas } = surface;
  const large = () => Math.max(...state.view.values.shape) >= LARGE;
  canvas.classList.toggle("selectable", state.view.selectable);
  canvas.classList.toggle("playable", large()); // keys.js leaves its arrows to it
  mark(canvas, "tabindex", large() ? 0 : null);
  mark(canvas, "role", large() ? "application" : "img");
  mark(canvas, "aria-description", large() ? context.word("controls", "heatmap_keys") : null);
  if (state.listening) return;
  state.listening = true;
  const again = () => surface.repaint();
  canvas.addEventListener("keydown", (event) => {
    if (!large() || event.ctrlKey || event.metaKey || event.altKey || !pressed(state, event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    again();
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!large()) return;
      event.preventDefault();
      zoom(state, Math.exp(-event.deltaY / 300), cellAt(state.box, ...surface.place(event)));
      again();
    },
    { passive: false },
  );
  canvas.addEventListener("pointerdown", (event) => {
    state.drag = { from: surface.place(event), x: state.x, y: state.y, far: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!state.drag || !event.buttons) return;
    const [x, y] = surface.place(event).map((at, i) => at - state.drag.from[i]);
    state.drag.far ||= Math.hypot(x, y) > 4 * surface.ratio;
    if (!large() || state.zoom === 1) return;
    [state.x, state.y] = [state.drag.x - x / state.box.across, state.drag.y - y / state.box.cell];
    again();
  });
  canvas.addEventListener("dblclick", () => {
    state.zoom = 1;
    again();
  });
  canvas.addEventListener("click", (event) => {
    const [column, row] = cellAt(state.box, ...surface.place(event)).map(Math.floor);
    const [rows, columns] = state.view.values.shape;
    const inside = row >= 0 && column >= 0 && row < rows && column < columns;
    if (state.view.selectable && inside && !state.drag?.far) context.event({ kind: "select", view: context.view, row, column });
  });
}

/** Cells so many times as large, the one at [column, row] where it is. */
function zoom(state, factor, [column, row]) {
  const before = state.zoom;
  state.zoom = Math.min(state.box.deepest, Math.max(1, before * factor));
  state.x = column - ((column - state.x) * before) / state.zoom;
  state.y = row - ((row - state.y) * before) / state.zoom;
}

/** + and - zoom about the middle, arrows move a quarter of what is in sight, 0 shows all; whether the key was ours. */
function pressed(state, key) {
  const [rows, columns] = state.view.values.shape.map((count) => count / state.zoom);
  if (key === "0") state.zoom = 1;
  else if (NEARER[key]) zoom(state, NEARER[key], [state.x + columns / 2, state.y + rows / 2]);
  else if (ARROWS[key]) {
    state.x += (ARROWS[key][0] * columns) / 4;
    state.y += (ARROWS[key][1] * rows) / 4;
  } else return false;
  return true;
}

/** The [column, row] under a device pixel, with fractions. */
const cellAt = (box, x, y) => [(x - box.left) / box.across + box.x, (y - box.top) / box.cell + box.y];

/** A border around the chosen cell. */
function frame(pen, [row, column], box, { theme }, ratio) {
  const [x, y] = [box.left + (column - box.x) * box.across, box.top + (row - box.y) * box.cell];
  const thick = Math.max(2, Math.round(2 * ratio));
  for (const [colour, width] of [["#ffffff", 3 * thick], [theme.primary, thick]]) {
    pen.lineWidth = width; // a light rim, so that it is seen on any colour
    pen.strokeStyle = colour;
    pen.strokeRect(x, y, box.across, box.cell);
  }
}

/** Every name in sight, or every second, third, … where they would touch. */
function drawNames(pen, view, { cell, across, size, left, top, wide, high, x, y }, { theme }) {
  const [every, aside] = [cell, across].map((room) => Math.max(1, Math.ceil((size * 1.1) / room)));
  const first = (at, step) => Math.ceil(at / step) * step;
  pen.fillStyle = theme.text;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (let r = first(y, every); r < view.rows.length && r + 0.5 < y + high / cell; r += every)
    pen.fillText(view.rows[r], left - 4, top + (r + 0.5 - y) * cell, left - 4);
  pen.textAlign = "left";
  for (let c = first(x, aside); c < view.columns.length && c + 0.5 < x + wide / across; c += aside) {
    pen.save();
    pen.translate(left + (c + 0.5 - x) * across, top - 4);
    pen.rotate(-Math.PI / 4);
    pen.fillText(view.columns[c], 0, 0);
    pen.restore();
  }
}

function read({ view, box }, context, x, y) {
  const [rows, columns] = view.values.shape;
  const [column, row] = cellAt(box, x, y).map(Math.floor);
  const outside = x < box.left || y < box.top || x >= box.left + box.wide || y >= box.top + box.high;
  if (outside || row < 0 || column < 0 || row >= rows || column >= columns) return null;
  const value = context.number(view.values.data[row * columns + column]);
  return [`${view.rows[row] ?? row} · ${view.columns[column] ?? column}`, value];
}
