// Draws polygons, lines and discs in a world's own units; a person may hold its keys, to steer what moves there, or
// take hold of it with the pointer and pull.

import { mark } from "./dom.js";
import { hold } from "./holding.js";
import { category } from "./palette.js";
import { legend } from "./legend.js";
import { surfaceOf } from "./surface.js";

const states = new WeakMap();
// A category's place for each kind of shape, so that none changes its colour when another comes or goes.
const PLACES = {
  cart: 0, torso: 0, landed: 0, limit: 1, push: 1, goal: 2, contact: 2, pole: 3, front_leg: 3,
  leg: 4, back_leg: 4, under_way: 4,
}; // prettier-ignore
const KEYS = { ArrowUp: "up", ArrowRight: "right", ArrowDown: "down", ArrowLeft: "left" };

/** Draw `view` (see Sketch in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = {}));
  const redraw = () => draw(element, state.view, context);
  const pen = surface.begin(context, redraw);
  state.view = view;
  const map = (state.map = mapping(view.bounds, surface));
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
  if (view.pullable) pull(surface, state, context);
  surface.hover(context, (x, y) => read(state, pen, context, x, y));
  legend(context, {});
  const seen = new Set(Array.from(view.kinds.data, (kind) => context.name(view.names[kind])));
  surface.describe(`${context.title}. ${[...seen].join(", ")}`);
}

/** World → device pixels with one scale for both directions; under its heading, wherever the element is taller. */
function mapping([x0, x1, y0, y1], { width, height, ratio }) {
  const margin = 4 * ratio;
  const scale = Math.max(1e-9, Math.min((width - 2 * margin) / (x1 - x0), (height - 2 * margin) / (y1 - y0)));
  return { scale, left: width / 2 - (scale * (x0 + x1)) / 2, base: margin + scale * y1, ratio };
}

function shape({ points, ends, widths }, i, { scale, left, base, ratio }) {
  const path = new Path2D();
  const from = i ? ends.data[i - 1] : 0;
  let x = 0;
  let y = 0;
  for (let p = from; p < ends.data[i]; p++) {
    x = left + points.data[2 * p] * scale;
    y = base - points.data[2 * p + 1] * scale;
    path.lineTo(x, y);
  }
  if (!widths.data[i]) path.closePath();
  // Browsers draw no line without length: with a little of it and round ends, one point becomes a disc.
  else path.lineTo(x + 0.01, y);
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

const PULL_EVERY = 40; // ms from message to message while a hand moves
const REACH = 0.5; // of the picture's height that a pull by the keyboard reaches

/** Let a person take hold with the pointer, or with Shift and an arrow key, and pull. */
function pull(surface, state, context) {
  surface.canvas.classList.toggle("pullable", context.steers());
  if (state.pulling) return;
  state.pulling = { start: null, at: -Infinity };
  const { canvas } = surface;
  const { pulling } = state;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  mark(canvas, "aria-description", context.word("controls", "sketch_pull"));
  const say = (hand) => {
    pulling.at = performance.now();
    context.event({ kind: "pull", view: context.view, start: pulling.start, hand });
  };
  const drop = () => {
    clearTimeout(pulling.later);
    if (pulling.start) context.event({ kind: "drop", view: context.view });
    pulling.start = null;
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !context.steers()) return;
    canvas.setPointerCapture(event.pointerId);
    pulling.start = fromMiddle(surface, state.map, event);
    say(pulling.start);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pulling.start) return;
    const hand = fromMiddle(surface, state.map, event);
    clearTimeout(pulling.later);
    // The last place counts, wherever between two messages the hand comes to rest.
    pulling.later = setTimeout(() => say(hand), Math.max(0, pulling.at + PULL_EVERY - performance.now()));
  });
  for (const kind of ["pointerup", "pointercancel", "blur"]) canvas.addEventListener(kind, drop);
  canvas.addEventListener("keydown", (event) => {
    const way = KEYS[event.key];
    if (!event.shiftKey || !way || !context.steers()) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    const [, , low, high] = state.view.bounds;
    const far = REACH * (high - low);
    pulling.start = [0, 0];
    say([way === "left" ? -far : way === "right" ? far : 0, way === "down" ? -far : way === "up" ? far : 0]);
  });
  canvas.addEventListener("keyup", drop);
}

/** A pointer event's place in the world's units, from the middle of what is drawn. */
function fromMiddle(surface, { scale }, event) {
  const [x, y] = surface.place(event);
  return [(x - surface.width / 2) / scale, (surface.height / 2 - y) / scale];
}
