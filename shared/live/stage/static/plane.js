// Draws a piece of the plane: field, folded grid, points, arrows; and takes the strokes of a drawing.

import { colours, styles } from "./palette.js";
import { surfaceOf } from "./surface.js";
import { stamp } from "./stamps.js";
import { legend } from "./legend.js";
import { takeStrokes } from "./strokes.js";

const states = new WeakMap();

/** Draw `view` (see Plane in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = { field: document.createElement("canvas") }));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  state.map = mapping(view.bounds, surface);
  const names = Object.keys(view.points);
  const key = names.join() + context.theme.dark;
  if (state.key !== key) {
    state.key = key;
    state.styles = styles(names, context.theme.dark);
  }
  if (view.field) drawField(pen, state, view, context);
  outline(pen, state.map, context);
  pen.save();
  pen.beginPath();
  pen.rect(...state.map.box);
  pen.clip(); // what lies outside the bounds is not drawn across the frame
  if (view.mesh) drawMesh(pen, state.map, view.mesh, surface.ratio, context);
  for (const name of names) drawPoints(pen, state.map, view.points[name], state.styles[name], surface, context.theme);
  if (view.arrows) drawArrows(pen, state.map, view.arrows, surface.ratio, context);
  pen.restore();
  if (view.drawable) takeStrokes(surface, state, context);
  surface.hover(context, (x, y) => read(state, surface, context, x, y));
  legend(context, { styles: state.styles, names, scale: view.field && scaleOf(view, context) });
  surface.describe(`${context.title}. ${names.map((n) => `${context.name(n)}: ${view.points[n].shape[0]}`).join(", ")}`);
}

const scaleOf = (view, context) => ({ table: colours(true, context.theme.dark), low: view.field_range[0], high: view.field_range[1] });

/** Plane → device pixels with one scale for both directions, centred. */
function mapping([x0, x1, y0, y1], { width, height, ratio }) {
  const margin = 6 * ratio;
  const scale = Math.max(1e-9, Math.min((width - 2 * margin) / (x1 - x0), (height - 2 * margin) / (y1 - y0)));
  const left = (width - scale * (x1 - x0)) / 2;
  const bottom = (height + scale * (y1 - y0)) / 2;
  return {
    scale,
    x0: left - x0 * scale,
    y0: bottom + y0 * scale,
    box: [left, bottom - scale * (y1 - y0), scale * (x1 - x0), scale * (y1 - y0)],
    bounds: [x0, x1, y0, y1],
  };
}

function drawField(pen, state, view, context) {
  const [rows, columns] = view.field.shape;
  const canvas = state.field;
  if (canvas.width !== columns || canvas.height !== rows || !state.pixels) {
    canvas.width = columns;
    canvas.height = rows;
    state.fieldPen = canvas.getContext("2d", { willReadFrequently: true });
    state.image = state.fieldPen.createImageData(columns, rows);
    state.pixels = new Uint32Array(state.image.data.buffer);
  }
  const table = colours(true, context.theme.dark);
  const [low, high] = view.field_range;
  const factor = 255 / (high - low || 1);
  const { data } = view.field;
  const { pixels } = state;
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const to = (rows - 1 - row) * columns; // row 0 lies at the bottom
    for (let column = 0; column < columns; column++) {
      const level = (data[from + column] - low) * factor;
      pixels[to + column] = table[level < 0 ? 0 : level > 255 ? 255 : level | 0];
    }
  }
  state.fieldPen.putImageData(state.image, 0, 0);
  pen.imageSmoothingEnabled = true;
  // Values stand at the nodes of a grid whose outer ones lie on the bounds: half a cell of each edge is outside.
  pen.drawImage(canvas, 0.5, 0.5, columns - 1, rows - 1, ...state.map.box);
}

function outline(pen, { box: [x, y, width, height] }, { theme }) {
  pen.strokeStyle = theme.line;
  pen.lineWidth = 1;
  pen.strokeRect(Math.round(x) + 0.5, Math.round(y) + 0.5, Math.round(width) - 1, Math.round(height) - 1);
}

/** The latent grid's rows and columns as lines, in one path: a path a line would cost ten times as much. */
function drawMesh(pen, map, { shape: [rows, columns], data }, ratio, { theme }) {
  pen.beginPath();
  const node = (index, first) => {
    const x = map.x0 + data[2 * index] * map.scale;
    const y = map.y0 - data[2 * index + 1] * map.scale;
    if (first) pen.moveTo(x, y);
    else pen.lineTo(x, y);
  };
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) node(r * columns + c, c === 0);
  if (rows > 1) for (let c = 0; c < columns; c++) for (let r = 0; r < rows; r++) node(r * columns + c, r === 0);
  pen.strokeStyle = theme.dark ? "rgba(255,255,255,0.55)" : "rgba(30,34,44,0.5)";
  pen.lineWidth = (rows === 1 ? 2 : 1) * ratio;
  pen.stroke();
}

/** Points as copies of one small picture: copying is several times quicker than filling a path of arcs. */
function drawPoints(pen, map, { shape, data }, style, { ratio, width, height }, theme) {
  const radius = (shape[0] > 400 ? 0.2 : 0.27) * theme.size * ratio;
  const picture = stamp(style.shape, style.colour, radius, ratio);
  const half = picture.width / 2;
  const { scale, x0, y0 } = map;
  for (let i = 0; i < 2 * shape[0]; i += 2) {
    const x = x0 + data[i] * scale;
    const y = y0 - data[i + 1] * scale;
    if (x > -half && y > -half && x < width + half && y < height + half)
      pen.drawImage(picture, Math.round(x - half), Math.round(y - half));
  }
}

function drawArrows(pen, map, { shape, data }, ratio, { theme }) {
  const shafts = new Path2D();
  const heads = new Path2D();
  for (let i = 0; i < 4 * shape[0]; i += 4) {
    const x = map.x0 + data[i] * map.scale;
    const y = map.y0 - data[i + 1] * map.scale;
    const dx = data[i + 2] * map.scale;
    const dy = -data[i + 3] * map.scale;
    const length = Math.hypot(dx, dy);
    if (!(length > 0.5)) continue;
    const head = Math.min(length, 6 * ratio);
    const ux = (dx / length) * head;
    const uy = (dy / length) * head;
    shafts.moveTo(x, y);
    shafts.lineTo(x + dx - ux * 0.6, y + dy - uy * 0.6);
    heads.moveTo(x + dx, y + dy);
    heads.lineTo(x + dx - ux - uy * 0.5, y + dy - uy + ux * 0.5);
    heads.lineTo(x + dx - ux + uy * 0.5, y + dy - uy - ux * 0.5);
  }
  pen.strokeStyle = pen.fillStyle = theme.dark ? "#ffffff" : "#14181f";
  pen.lineWidth = 1.25 * ratio;
  pen.stroke(shafts);
  pen.fill(heads);
}

/** What lies under a device pixel: the nearest point within reach, the place, the field's value. */
function read({ map, view }, surface, context, px, py) {
  const x = (px - map.x0) / map.scale;
  const y = (map.y0 - py) / map.scale;
  const [x0, x1, y0, y1] = map.bounds;
  if (x < x0 || x > x1 || y < y0 || y > y1) return null;
  const lines = [];
  let nearest = (9 * surface.ratio) ** 2;
  let found = null;
  for (const [name, { shape, data }] of Object.entries(view.points)) {
    for (let i = 0; i < shape[0]; i++) {
      const distance = (map.x0 + data[2 * i] * map.scale - px) ** 2 + (map.y0 - data[2 * i + 1] * map.scale - py) ** 2;
      if (distance < nearest) {
        nearest = distance;
        found = [name, data[2 * i], data[2 * i + 1]];
      }
    }
  }
  if (found) lines.push(`${context.name(found[0])}: ${context.number(found[1])}, ${context.number(found[2])}`);
  else lines.push(`x ${context.number(x)}, y ${context.number(y)}`);
  if (view.field) lines.push(`${context.word("readout", "value")} ${context.number(fieldAt(view, x, y))}`);
  return lines;
}

/** The field between its four nearest nodes. */
function fieldAt({ field, bounds: [x0, x1, y0, y1] }, x, y) {
  const [rows, columns] = field.shape;
  const u = ((x - x0) / (x1 - x0)) * (columns - 1);
  const v = ((y - y0) / (y1 - y0)) * (rows - 1);
  const c = Math.min(columns - 2, Math.max(0, Math.floor(u)));
  const r = Math.min(rows - 2, Math.max(0, Math.floor(v)));
  const at = (row, column) => field.data[row * columns + column];
  const below = at(r, c) * (1 - u + c) + at(r, c + 1) * (u - c);
  const above = at(r + 1, c) * (1 - u + c) + at(r + 1, c + 1) * (u - c);
  return below * (1 - v + r) + above * (v - r);
}
