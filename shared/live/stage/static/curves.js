// Draws lines over steps on a canvas; each name has a dash as well as a colour.

import { legend } from "./legend.js";
import { decades, ticks } from "./numbers.js";
import { dashes, styles } from "./palette.js";
import { surfaceOf } from "./surface.js";

const OFTEN = 100; // ms between two drawings: a line that grows by a pixel at a time needs no more
const states = new WeakMap();

/** Draw `view` (see Curves in shared/live/views.py) into the element, now or as soon as the last drawing is old. */
export function draw(element, view, context) {
  let state = states.get(element);
  if (!state) states.set(element, (state = { at: -Infinity }));
  state.view = view;
  const paint = () => {
    state.timer = null;
    state.at = performance.now();
    drawNow(surfaceOf(element), state, context, paint);
  };
  const wait = state.at + OFTEN - performance.now();
  if (wait <= 0) paint();
  else state.timer ??= setTimeout(paint, wait);
}

function drawNow(surface, state, context, again) {
  const { view } = state;
  const pen = surface.begin(context, again);
  const names = Object.keys(view.series);
  const style = styles(names, context.theme.dark);
  pen.font = `${context.theme.small * surface.ratio}px ${context.theme.font}`;
  const map = (state.map = mapping(view, surface, context, pen));
  drawAxes(pen, map, surface, context);
  pen.save();
  pen.beginPath();
  pen.rect(map.left, 0, map.right - map.left, map.base + surface.ratio);
  pen.clip();
  const levels = Object.entries(view.levels);
  for (const [, value] of levels) drawLevel(pen, map, value, surface.ratio, context.theme);
  for (const name of names) drawLine(pen, map, view.series[name], style[name], surface.ratio);
  for (const [name, value] of levels) nameLevel(pen, map, context.name(name), value, surface.ratio, context.theme);
  pen.restore();
  surface.hover(context, (x, y) => read(state, context, x, y));
  legend(context, { styles: style, names, lines: true });
  surface.describe(`${context.title}. ${names.map((name) => summary(name, view.series[name], context)).join(", ")}`);
}

function summary(name, { data }, context) {
  return data.length ? `${context.name(name)}: ${context.number(data[data.length - 1])}` : context.name(name);
}

/** From steps and values to device pixels, with room for the numbers beside the axes. */
function mapping(view, { width, height, ratio }, context, pen) {
  const size = context.theme.small * ratio;
  const high = (value) => (view.log ? Math.log10(value) : value);
  const { x: [x0, x1], y: [y0, y1] } = extent(view);
  const base = height - size * 1.6;
  const top = size * 0.6;
  const steps = view.log ? decades(y0, y1) : heights(y0, y1, (base - top) / size);
  const texts = (values) => (view.log ? values.map(context.short) : context.tickTexts(values));
  const rows = labelled(steps, texts(steps));
  const left = Math.max(size * 1.6, ...rows.map(({ text }) => pen.measureText(text).width)) + size * 0.7;
  const right = width - size * 0.7;
  const across = (right - left) / (x1 - x0 || 1);
  const down = (base - top) / (high(y1) - high(y0) || 1);
  const x = (value) => (x1 > x0 ? left + (value - x0) * across : (left + right) / 2);
  const y = (value) => base - (high(value) - high(y0)) * down;
  const wide = Math.max(...[x0, x1].map((value) => pen.measureText(context.short(value)).width)) + size;
  const places = x1 > x0 ? ticks(x0, x1, Math.min(5, (right - left) / (1.6 * wide))) : [];
  const along = Number.isInteger(x0) && Number.isInteger(x1) ? places.filter(Number.isInteger) : places; // whole steps
  const columns = labelled(along, context.tickTexts(along));
  return { size, left, right, top, base, x, y, rows: Number.isFinite(y0) ? rows : [], columns };
}

/** As many heights as there is room for (in lines of text), and two at least where they fit: one alone is no scale. */
function heights(low, high, lines) {
  const found = ticks(low, high, Math.max(2, Math.min(4, lines / 2.2)));
  if (found.length > 1) return found;
  const finer = ticks(low, high, 2 * Math.max(2, lines / 2.2));
  return finer.length > 1 && finer.length * 1.1 <= lines ? finer : found;
}

const labelled = (values, texts) => values.map((value, i) => ({ value, text: texts[i] }));

/** What the axes span: all that is known, a little wider; or what the view says. NaN where nothing is known. */
function extent(view) {
  const [x, y] = [[Infinity, -Infinity], [Infinity, -Infinity]];
  const widen = (span, value) => ((span[0] = Math.min(span[0], value)), (span[1] = Math.max(span[1], value)));
  const drawn = (value) => Number.isFinite(value) && (!view.log || value > 0);
  for (const { data } of Object.values(view.series))
    for (let i = 0; i < data.length; i += 2)
      if (drawn(data[i + 1])) {
        widen(x, data[i]);
        widen(y, data[i + 1]);
      }
  for (const value of Object.values(view.levels)) if (drawn(value)) widen(y, value);
  if (x[1] < x[0]) x.fill(0);
  if (view.high > view.low) return { x, y: [view.low, view.high] };
  if (y[1] < y[0]) return { x, y: [NaN, NaN] };
  if (view.log) return { x, y: [y[0] / 1.2, y[1] * 1.2] };
  const room = (y[1] - y[0]) * 0.06 || Math.abs(y[0]) * 0.1 || 1;
  return { x, y: [y[0] - room, y[1] + room] };
}

function drawAxes(pen, map, { ratio }, { theme }) {
  pen.fillStyle = theme.text;
  pen.strokeStyle = theme.line;
  pen.lineWidth = Math.max(1, Math.round(ratio));
  pen.beginPath();
  pen.moveTo(map.left, Math.round(map.base) + 0.5);
  pen.lineTo(map.right, Math.round(map.base) + 0.5);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const { value, text } of map.rows) {
    const y = Math.round(map.y(value)) + 0.5;
    pen.moveTo(map.left, y);
    pen.lineTo(map.right, y);
    pen.fillText(text, map.left - map.size * 0.4, y);
  }
  pen.stroke();
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const { value, text } of map.columns) {
    const half = pen.measureText(text).width / 2;
    pen.fillText(text, Math.min(map.x(value), map.right + map.size * 0.6 - half), map.base + map.size * 0.35);
  }
}

/** A height that means something, dotted. */
function drawLevel(pen, map, value, ratio, theme) {
  const y = Math.round(map.y(value)) + 0.5;
  pen.strokeStyle = theme.muted;
  pen.lineWidth = ratio;
  pen.setLineDash([2 * ratio, 3 * ratio]);
  pen.beginPath();
  pen.moveTo(map.left, y);
  pen.lineTo(map.right, y);
  pen.stroke();
  pen.setLineDash([]);
}

/** Its name at the right end, over the lines and readable on them. */
function nameLevel(pen, map, name, value, ratio, theme) {
  const y = Math.round(map.y(value)) + 0.5;
  pen.textAlign = "right";
  pen.textBaseline = y < map.top + 1.4 * map.size ? "top" : "bottom";
  const place = [name, map.right - 2 * ratio, y + (pen.textBaseline === "top" ? 2 : -1) * ratio];
  pen.strokeStyle = theme.background;
  pen.lineWidth = 4 * ratio;
  pen.strokeText(...place);
  pen.fillStyle = theme.muted;
  pen.fillText(...place);
}

/** One series; where a value is not a number the line has a gap. */
function drawLine(pen, map, { data }, { colour, dash }, ratio) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 1.8 * ratio;
  pen.lineJoin = "round";
  pen.setLineDash(dashes(dash, ratio));
  pen.beginPath();
  let gap = true;
  for (let i = 0; i < data.length; i += 2) {
    const [x, y] = [map.x(data[i]), map.y(data[i + 1])];
    if (!Number.isFinite(y)) gap = true;
    else if (gap) {
      pen.moveTo(x, y);
      gap = false;
    } else pen.lineTo(x, y);
  }
  pen.stroke();
  pen.setLineDash([]);
  if (data.length === 2) pen.fillRect(map.x(data[0]) - 2 * ratio, map.y(data[1]) - 2 * ratio, 4 * ratio, 4 * ratio);
}

/** The step nearest to a device pixel, and what every line has there. */
function read({ view, map }, context, px, py) {
  if (px < map.left || px > map.right || py > map.base) return null;
  const found = Object.entries(view.series).map(([name, { data }]) => {
    let best = -1;
    for (let i = 0; i < data.length; i += 2)
      if (best < 0 || Math.abs(map.x(data[i]) - px) < Math.abs(map.x(data[best]) - px)) best = i;
    return best < 0 ? null : { x: data[best], line: `${context.name(name)}: ${context.number(data[best + 1])}` };
  });
  const known = found.filter(Boolean);
  if (!known.length) return null;
  const { x } = known.reduce((a, b) => (Math.abs(map.x(b.x) - px) < Math.abs(map.x(a.x) - px) ? b : a));
  return [context.number(x), ...known.map(({ line }) => line)];
}
