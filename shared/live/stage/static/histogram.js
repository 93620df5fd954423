// Draws how often values fall in each bin: one outline a name, each with its own dash as well as its own colour.

import { dashes, styles } from "./palette.js";
import { legend } from "./legend.js";
import { ticks } from "./numbers.js";
import { surfaceOf } from "./surface.js";

const states = new WeakMap();

/** Draw `view` (see Histogram in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = {}));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  const names = Object.keys(view.counts);
  const style = styles(names, context.theme.dark);
  const most = Math.max(1e-12, ...names.map((name) => view.counts[name].data.reduce((a, b) => Math.max(a, b), 0)));
  const map = (state.map = mapping(view.edges.data, most, surface, context));
  drawAxes(pen, map, most, context);
  for (const name of names) drawCounts(pen, map, view.counts[name].data, style[name], surface.ratio);
  for (const [name, value] of Object.entries(view.marks)) drawMark(pen, map, context.name(name), value, surface.ratio, context.theme);
  surface.hover(context, (x, y) => read(state, context, x, y));
  legend(context, { styles: style, names });
  surface.describe(`${context.title}. ${names.map(context.name).join(", ")}`);
}

function mapping(edges, most, { width, height, ratio }, { theme }) {
  const size = theme.small * ratio;
  const [left, right, top, bottom] = [size * 2.6, 8 * ratio, size * 0.6, size * 1.6];
  const across = (width - left - right) / (edges.at(-1) - edges[0] || 1);
  const down = (height - top - bottom) / most;
  return {
    edges,
    size,
    left,
    right: width - right,
    top,
    base: height - bottom,
    x: (value) => left + (value - edges[0]) * across,
    y: (count) => height - bottom - count * down,
  };
}

function drawAxes(pen, map, most, context) {
  pen.font = `${map.size}px ${context.theme.font}`;
  pen.fillStyle = context.theme.text;
  pen.strokeStyle = context.theme.line;
  pen.lineWidth = 1;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const value of ticks(map.edges[0], map.edges.at(-1))) pen.fillText(context.short(value), map.x(value), map.base + map.size * 0.35);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.beginPath();
  for (const count of ticks(0, most, 3)) {
    const y = Math.round(map.y(count)) + 0.5;
    pen.moveTo(map.left, y);
    pen.lineTo(map.right, y);
    pen.fillText(context.short(count), map.left - map.size * 0.4, y);
  }
  pen.stroke();
}

function drawCounts(pen, map, counts, { colour, dash }, ratio) {
  pen.beginPath();
  pen.moveTo(map.x(map.edges[0]), map.base);
  for (let i = 0; i < counts.length; i++) {
    const y = map.y(counts[i]);
    pen.lineTo(map.x(map.edges[i]), y);
    pen.lineTo(map.x(map.edges[i + 1]), y);
  }
  pen.lineTo(map.x(map.edges.at(-1)), map.base);
  pen.globalAlpha = 0.22;
  pen.fillStyle = colour;
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = colour;
  pen.lineWidth = 2 * ratio;
  pen.setLineDash(dashes(dash, ratio));
  pen.stroke();
  pen.setLineDash([]);
}

/** An upright line at a value, with its name at the top, on the side where there is more room. */
function drawMark(pen, map, name, value, ratio, theme) {
  const x = Math.round(map.x(value)) + 0.5;
  if (x < map.left || x > map.right) return;
  pen.strokeStyle = pen.fillStyle = theme.text;
  pen.lineWidth = ratio;
  pen.setLineDash([4 * ratio, 3 * ratio]);
  pen.beginPath();
  pen.moveTo(x, map.top);
  pen.lineTo(x, map.base);
  pen.stroke();
  pen.setLineDash([]);
  const leftHalf = x < (map.left + map.right) / 2;
  pen.textAlign = leftHalf ? "right" : "left";
  pen.textBaseline = "top";
  pen.fillText(name, x + (leftHalf ? -4 : 4) * ratio, map.top);
}

function read({ view, map }, context, x, y) {
  const edges = map.edges;
  if (y > map.base || x < map.left || x > map.right) return null;
  let bin = 0;
  while (bin < edges.length - 2 && map.x(edges[bin + 1]) < x) bin++;
  const counts = Object.entries(view.counts).map(([name, { data }]) => `${context.name(name)}: ${context.number(data[bin])}`);
  return [`${context.number(edges[bin])} … ${context.number(edges[bin + 1])}`, ...counts];
}
