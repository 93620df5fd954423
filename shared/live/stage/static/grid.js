// Draws a world of cells from above: what stands where, values as colour, ways as arrows, and who is where.

import { category, colours, styles } from "./palette.js";
import { legend } from "./legend.js";
import { stamp } from "./stamps.js";
import { surfaceOf } from "./surface.js";
import { cellAt, takeTurns } from "./turns.js";

const ROOMY = 30; // CSS pixels: a smaller cell shows its value alone, without the four of its actions
const WAYS = [[0, -1], [1, 0], [0, 1], [-1, 0]]; // up, right, down, left: columns, rows
const ARROWS = ["↑", "→", "↓", "←"];
const states = new WeakMap();

/** Draw `view` (see Grid in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = {}));
  const redraw = () => draw(element, state.view, context);
  const pen = surface.begin(context, redraw);
  state.view = view;
  const { theme } = context;
  const table = colours(view.low < 0 && view.high > 0, theme.dark);
  const map = (state.map = place(view, surface));
  const inks = { "#000000": new Path2D(), "#ffffff": new Path2D() }; // arrows, by the colour that reads on their ground
  for (let i = 0; i < map.count; i++) drawCell(pen, view, map, i, table, inks, theme);
  for (const [ink, path] of Object.entries(inks)) drawArrows(pen, path, ink, map);
  drawWind(pen, view, map, theme);
  drawTrail(pen, view, map, theme);
  drawBackup(pen, view, map, theme);
  const names = Object.keys(view.pieces);
  const style = styles(names, theme.dark);
  drawPieces(pen, view, map, names, style);
  if (view.player || view.brushes.length) takeTurns(surface, state, context, redraw);
  surface.hover(context, (x, y) => read(state, context, x, y));
  legend(context, { styles: style, names, scale: { table, low: view.low, high: view.high } });
  const where = names.map((name) => `${context.name(name)}: ${rowAndColumn(view.pieces[name], map)}`);
  surface.describe(`${context.title}. ${map.rows} × ${map.columns}. ${where.join("; ")}`);
}

/** Rows, columns, the size of a cell and the corner of the first, as large as the element allows. */
function place(view, { width, height, ratio }) {
  const [rows, columns] = view.cells.shape;
  const strip = view.wind.length ? 0.55 : 0; // above the cells, for the wind
  const margin = 3 * ratio;
  const cell = Math.max(1, Math.floor(Math.min((width - 2 * margin) / columns, (height - 2 * margin) / (rows + strip))));
  const left = Math.floor((width - cell * columns) / 2);
  const top = Math.floor(margin + cell * strip); // under its heading, wherever the element is taller
  return { rows, columns, count: rows * columns, cell, left, top, ratio, roomy: cell >= ROOMY * ratio };
}

const corner = ({ columns, cell, left, top }, i) => [left + (i % columns) * cell, top + Math.floor(i / columns) * cell];
const centre = (map, i) => corner(map, i).map((edge) => edge + map.cell / 2);
const rowAndColumn = (i, { columns }) => `${Math.floor(i / columns) + 1}, ${(i % columns) + 1}`;

function colourOf(value, view, table) {
  const level = ((value - view.low) * 255) / (view.high - view.low || 1);
  const c = table[level < 0 ? 0 : level > 255 ? 255 : level | 0];
  return [c & 255, (c >> 8) & 255, (c >> 16) & 255];
}

const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000000" : "#ffffff");

function drawCell(pen, view, map, i, table, inks, theme) {
  const [x, y] = corner(map, i);
  const size = map.cell - 1; // the ground shows through as a line between cells
  const kind = view.kinds[view.cells.data[i]];
  const value = view.values.data[i];
  const coloured = Number.isFinite(value);
  const colour = coloured && colourOf(value, view, table);
  const ink = coloured ? inkOn(colour) : theme.text;
  pen.fillStyle = coloured ? css(colour) : kind === "wall" ? theme.muted : theme.line;
  pen.fillRect(x, y, size, size);
  if (kind === "cliff") hatch(pen, x, y, size, category(1, theme.dark), map.ratio);
  if (coloured && view.actions && map.roomy) {
    drawActions(pen, view, map, i, table);
    pen.fillStyle = css(colour);
    pen.fillRect(x + 0.29 * size, y + 0.29 * size, 0.42 * size, 0.42 * size);
  }
  drawSign(pen, kind, x, y, size, ink);
  if (coloured && view.policy) addArrows(inks[ink], view.policy.data, map, i);
  const trace = view.traces?.data[i] ?? 0;
  if (trace > 0.01) {
    pen.beginPath();
    pen.arc(x + size / 2, y + size / 2, 0.4 * size, 0, 2 * Math.PI);
    pen.globalAlpha = Math.min(1, 0.15 + trace);
    pen.strokeStyle = category(3, theme.dark);
    pen.lineWidth = (1 + 3 * trace) * map.ratio;
    pen.stroke();
    pen.globalAlpha = 1;
  }
}

/** Four triangles, each in the colour of its action's value. */
function drawActions(pen, view, map, i, table) {
  const [x, y] = corner(map, i);
  const size = map.cell - 1;
  for (let action = 0; action < 4; action++) {
    pen.fillStyle = css(colourOf(view.actions.data[4 * i + action], view, table));
    pen.fill(triangle(x, y, size, action));
  }
}

function triangle(x, y, size, action) {
  const corners = [[x, y], [x + size, y], [x + size, y + size], [x, y + size]];
  const path = new Path2D();
  path.moveTo(...corners[action]);
  path.lineTo(...corners[(action + 1) % 4]);
  path.lineTo(x + size / 2, y + size / 2);
  path.closePath();
  return path;
}

function hatch(pen, x, y, size, colour, ratio) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, size, size);
  pen.clip();
  pen.strokeStyle = colour;
  pen.lineWidth = 2 * ratio;
  pen.beginPath();
  for (let d = -size; d < size; d += 7 * ratio) {
    pen.moveTo(x + d, y + size);
    pen.lineTo(x + d + size, y);
  }
  pen.stroke();
  pen.restore();
}

const LETTERS = { start: "S", reward: "+", penalty: "−" };

/** A star for a goal, a smaller one for a small goal, a letter in the corner for the rest. */
function drawSign(pen, kind, x, y, size, ink) {
  pen.fillStyle = ink;
  if (kind === "goal" || kind === "small_goal") return pen.fill(star(x + size / 2, y + size / 2, size * (kind === "goal" ? 0.36 : 0.2)));
  if (!LETTERS[kind]) return;
  pen.font = `700 ${Math.max(8, 0.3 * size)}px sans-serif`;
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.fillText(LETTERS[kind], x + 0.06 * size, y + 0.05 * size);
}

function star(x, y, radius) {
  const path = new Path2D();
  for (let i = 0; i < 10; i++) {
    const reach = i % 2 ? 0.42 * radius : radius;
    const angle = (i * Math.PI) / 5 - Math.PI / 2;
    path.lineTo(x + reach * Math.cos(angle), y + reach * Math.sin(angle));
  }
  path.closePath();
  return path;
}

/** An arrow each way, as long as the way is likely. */
function addArrows(path, policy, map, i) {
  const [x, y] = centre(map, i);
  for (let action = 0; action < 4; action++) {
    const length = 0.4 * map.cell * policy[4 * i + action];
    if (length < map.ratio) continue;
    const [dx, dy] = WAYS[action];
    const [tipX, tipY] = [x + dx * length, y + dy * length];
    const head = Math.min(0.6 * length, 0.12 * map.cell);
    path.moveTo(x, y);
    path.lineTo(tipX, tipY);
    path.moveTo(tipX - dx * head - dy * head, tipY - dy * head - dx * head);
    path.lineTo(tipX, tipY);
    path.lineTo(tipX - dx * head + dy * head, tipY - dy * head + dx * head);
  }
}

/** With a halo, since an arrow leaves the ground that its ink was chosen for. */
function drawArrows(pen, path, ink, { cell, ratio }) {
  const wide = Math.max(1.2 * ratio, 0.035 * cell);
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = ink === "#000000" ? "rgba(255,255,255,0.55)" : "rgba(0,0,0,0.45)";
  pen.lineWidth = 2.6 * wide;
  pen.stroke(path);
  pen.strokeStyle = ink;
  pen.lineWidth = wide;
  pen.stroke(path);
}

function drawWind(pen, { wind }, map, theme) {
  pen.fillStyle = theme.text;
  pen.font = `${0.42 * map.cell}px sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  wind.forEach((strength, c) => pen.fillText(ARROWS[0].repeat(strength), map.left + (c + 0.5) * map.cell, map.top - 0.28 * map.cell));
}

function drawTrail(pen, { trail }, map, theme) {
  if (!trail || trail.data.length < 2) return;
  pen.beginPath();
  for (const i of trail.data) pen.lineTo(...centre(map, i));
  pen.globalAlpha = 0.45;
  pen.strokeStyle = theme.text;
  pen.lineWidth = Math.max(map.ratio, 0.06 * map.cell);
  pen.lineJoin = "round";
  pen.stroke();
  pen.globalAlpha = 1;
}

/** The cell whose value was updated, its action, and the cell that the update looked at (dashed). */
function drawBackup(pen, { backup }, map, theme) {
  if (!backup.length) return;
  const [from, action, to] = backup;
  const wide = Math.max(2, 2.5 * map.ratio);
  pen.strokeStyle = theme.primary;
  pen.lineWidth = wide;
  for (const [i, dash] of [[to, [2 * wide, wide]], [from, []]]) {
    const [x, y] = corner(map, i);
    pen.setLineDash(dash);
    pen.strokeRect(x + wide / 2, y + wide / 2, map.cell - 1 - wide, map.cell - 1 - wide);
  }
  if (map.roomy) pen.stroke(triangle(...corner(map, from), map.cell - 1, action));
}

/** Pieces on one cell stand side by side. */
function drawPieces(pen, { pieces }, map, names, style) {
  names.forEach((name, place) => {
    const others = names.filter((other) => pieces[other] === pieces[name]).length;
    const [x, y] = centre(map, pieces[name]);
    const picture = stamp(style[name].shape, style[name].colour, Math.max(3, 0.17 * map.cell), map.ratio);
    const aside = others > 1 ? (place - (names.length - 1) / 2) * 0.4 * map.cell : 0;
    pen.drawImage(picture, Math.round(x + aside - picture.width / 2), Math.round(y - picture.height / 2));
  });
}

/** The cell under the pointer: what stands there, its value, the four of its actions, its trace. */
function read({ view, map }, context, x, y) {
  const i = cellAt(map, x, y);
  if (i === null) return null;
  const lines = [`${context.name(view.kinds[view.cells.data[i]])} · ${rowAndColumn(i, map)}`];
  if (!Number.isFinite(view.values.data[i])) return lines;
  lines.push(`${context.word("readout", "value")} ${context.number(view.values.data[i])}`);
  if (view.actions) lines.push(...ARROWS.map((arrow, action) => `${arrow} ${context.number(view.actions.data[4 * i + action])}`));
  if (view.traces?.data[i]) lines.push(`${context.word("readout", "trace")} ${context.number(view.traces.data[i])}`);
  return lines;
}
