// Draws polygons, lines and discs in a world's own units; a person may hold its keys, to steer what moves there.

import { hold } from "./holding.js";
import { category } from "./palette.js";
import { legend } from "./legend.js";
import { surfaceOf } from "./surface.js";

const states = new WeakMap();
// A category's place for each kind of shape, so that none changes its colour when another comes or goes.
const PLACES = { cart: 0, landed: 0, limit: 1, push: 1, goal: 2, pole: 3, leg: 4, under_way: 4 };

/** Draw `view` (see Sketch in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = {}));
  const redraw = () => draw(element, state.view, context);
  const pen = surface.begin(context, redraw);
  state.view = view;
  const map = mapping(view.bounds, surface);
  state.shapes = Array.from(view.ends.data, (_, i) => shape(view, i, map));
  pen.lineCap = pen.lineJoin = "round";
  for (const [i, { path, width }] of state.shapes.entries()) {
    const colour = colourOf(view.names[view.kinds.data[i]], context.theme);
    if (width) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.stroke(path);
    } else {
      pen.fillStyle = colour;
      pen.fill(path);
    }
  }
  if (view.keys.length) hold(surface, state, context);
  surface.hover(context, (x, y) => read(state, pen, context, x, y));
  legend(context, {});
  const seen = new Set(Array.from(view.kinds.data, (kind) => context.name(view.names[kind])));
  surface.describe(`${context.title}. ${[...seen].join(", ")}`);
}

/** World → device pixels with one scale for both directions, centred. */
function mapping([x0, x1, y0, y1], { width, height, ratio }) {
  const margin = 4 * ratio;
  const scale = Math.max(1e-9, Math.min((width - 2 * margin) / (x1 - x0), (height - 2 * margin) / (y1 - y0)));
  return { scale, left: width / 2 - (scale * (x0 + x1)) / 2, base: height / 2 + (scale * (y0 + y1)) / 2, ratio };
}

function shape({ points, ends, widths }, i, { scale, left, base, ratio }) {
  const path = new Path2D();
  const from = i ? ends.data[i - 1] : 0;
  for (let p = from; p < ends.data[i]; p++) path.lineTo(left + points.data[2 * p] * scale, base - points.data[2 * p + 1] * scale);
  if (!widths.data[i]) path.closePath();
  // A line to the point where it begins is drawn as a dot with round ends: a disc.
  else if (ends.data[i] - from === 1) path.lineTo(left + points.data[2 * from] * scale, base - points.data[2 * from + 1] * scale);
  return { path, width: widths.data[i] && Math.max(ratio, widths.data[i] * scale) };
}

function colourOf(name, theme) {
  if (name === "ground") return theme.line;
  return name in PLACES ? category(PLACES[name], theme.dark) : theme.text;
}

/** The uppermost shape under a device pixel: what it is, and its number. */
function read({ view, shapes }, pen, context, x, y) {
  for (let i = shapes.length - 1; i >= 0; i--) {
    const { path, width } = shapes[i];
    pen.lineWidth = width || 1;
    if (!(width ? pen.isPointInStroke(path, x, y) : pen.isPointInPath(path, x, y))) continue;
    const value = view.values.data[i];
    const name = context.name(view.names[view.kinds.data[i]]);
    return [Number.isFinite(value) ? `${name}: ${context.number(value)}` : name];
  }
  return null;
}
