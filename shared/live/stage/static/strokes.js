// Takes a drawing from the pointer or the keyboard and sends it as points of the plane.

import { h, write } from "./dom.js";

const MOST = 1000; // points a drawing; the engine takes no more
const BLOB = 60; // points that a click without a move adds
const GOLDEN = Math.PI * (3 - Math.sqrt(5));

/** Let the canvas be drawn on; `state.map` turns its pixels into the plane. Does its work once. */
export function takeStrokes(surface, state, context) {
  if (state.drawing) return;
  state.drawing = true;
  const { canvas, element } = surface;
  canvas.classList.add("drawable");
  const ink = h("canvas", { class: "ink", "aria-hidden": "true" });
  element.append(ink);
  let stroke = null;
  // A drawing is all its strokes: each one is sent with those before it, thinned to what a message may hold.
  const add = (points) => {
    state.drawn = [...(state.drawn ?? []), ...points];
    context.event({ kind: "draw", view: context.view, points: thin(state.drawn) });
  };
  const finish = () => {
    if (!stroke) return;
    add(stroke.moved ? resample(stroke.points) : blob(stroke.points[0], state.map));
    stroke = null;
    // The ink stays until a frame can show the points themselves.
    setTimeout(() => stroke || ink.getContext("2d").clearRect(0, 0, ink.width, ink.height), 250);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !context.steers() || !inside(surface, state.map, event)) return;
    canvas.setPointerCapture(event.pointerId);
    ink.width = surface.width;
    ink.height = surface.height;
    stroke = { points: [inPlane(surface, state.map, event)], start: [event.clientX, event.clientY], moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    stroke.moved ||= Math.hypot(event.clientX - stroke.start[0], event.clientY - stroke.start[1]) > 4;
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const each of moves.length ? moves : [event]) stroke.points.push(inPlane(surface, state.map, each));
    paint(ink, stroke.points, state.map, context, surface.ratio);
  });
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", () => (stroke = null));
  byKeyboard(surface, state, context, ink, add);
  const clear = h("button", { type: "button", class: "small", "data-control": "draw-clear" });
  write(clear, context.word("controls", "draw_clear"));
  clear.addEventListener("click", () => {
    state.drawn = [];
    context.event({ kind: "clear", view: context.view });
  });
  context.tools.replaceChildren(clear);
}

/** Arrow keys move a cross, Enter sets a blob under it. */
function byKeyboard({ canvas }, state, context, ink, add) {
  canvas.tabIndex = 0;
  let place = null;
  const show = () => {
    const { map } = state;
    ink.width = canvas.width;
    ink.height = canvas.height;
    if (!place) return;
    const pen = ink.getContext("2d");
    const [x, y] = [map.x0 + place[0] * map.scale, map.y0 - place[1] * map.scale];
    pen.strokeStyle = context.theme.text;
    pen.lineWidth = 2;
    pen.strokeRect(x - 7, y - 7, 14, 14);
  };
  canvas.addEventListener("keydown", (event) => {
    const [x0, x1, y0, y1] = state.map.bounds;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    place ??= [(x0 + x1) / 2, (y0 + y1) / 2];
    if (!way) return add(blob(place, state.map));
    place = [clamp(place[0] + (way[0] * (x1 - x0)) / 25, x0, x1), clamp(place[1] + (way[1] * (y1 - y0)) / 25, y0, y1)];
    show();
  });
  canvas.addEventListener("blur", () => {
    place = null;
    show();
  });
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Whether the pointer is on the plane, not on the margin that the canvas leaves about it. */
function inside(surface, { box: [left, top, width, height] }, event) {
  const [x, y] = surface.place(event);
  return x >= left && x <= left + width && y >= top && y <= top + height;
}

function inPlane(surface, map, event) {
  const [px, py] = surface.place(event);
  const [x0, x1, y0, y1] = map.bounds;
  return [clamp((px - map.x0) / map.scale, x0, x1), clamp((map.y0 - py) / map.scale, y0, y1)];
}

function paint(ink, points, map, { theme }, ratio) {
  const pen = ink.getContext("2d");
  pen.clearRect(0, 0, ink.width, ink.height);
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(map.x0 + x * map.scale, map.y0 - y * map.scale);
  pen.strokeStyle = theme.text;
  pen.lineWidth = 4 * ratio;
  pen.lineCap = pen.lineJoin = "round";
  pen.stroke();
}

/** At most MOST of the points, evenly taken. */
function thin(points) {
  const every = Math.max(1, points.length / MOST);
  return Array.from({ length: Math.min(points.length, MOST) }, (_, i) => points[Math.floor(i * every)]);
}

/** Points evenly spaced along a stroke, as many as its length asks for: a hand that rests adds none. */
function resample(points) {
  const lengths = [0];
  for (let i = 1; i < points.length; i++)
    lengths.push(lengths[i - 1] + Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]));
  const total = lengths.at(-1);
  if (total === 0) return [points[0]];
  const count = clamp(Math.round(points.length * 2), 20, MOST);
  const even = [];
  for (let i = 0, j = 1; i < count; i++) {
    const target = (total * i) / (count - 1);
    while (j < points.length - 1 && lengths[j] < target) j++;
    const part = (target - lengths[j - 1]) / (lengths[j] - lengths[j - 1] || 1);
    even.push([0, 1].map((k) => round(points[j - 1][k] + part * (points[j][k] - points[j - 1][k]))));
  }
  return even;
}

/** A round cloud, dense in its middle, laid out on a sunflower's spiral. */
function blob([x, y], { bounds: [x0, x1] }) {
  const size = 0.04 * (x1 - x0);
  return Array.from({ length: BLOB }, (_, i) => {
    const reach = size * Math.sqrt(-2 * Math.log(1 - (i + 0.5) / (BLOB + 1))) * 0.6;
    return [round(x + reach * Math.cos(i * GOLDEN)), round(y + reach * Math.sin(i * GOLDEN))];
  });
}

const round = (value) => Number(value.toPrecision(6));
