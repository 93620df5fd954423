// Draws named amounts on a canvas, at once: lying bars where names are long, standing ones else; one may be chosen.

import { Choice } from "./choice.js";
import { category } from "./palette.js";
import { surfaceOf } from "./surface.js";

const FULL = 0.72; // of a bar's place
const states = new WeakMap();

/** Draw `view` (see Bars in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = {}));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  const names = view.labels.map(context.name);
  const values = Array.from(view.values.data);
  const at = view.selectable ? choose(surface, state, names, context) : -1;
  const size = context.theme.small * surface.ratio;
  const lying = names.some((name) => name.length > 3) || names.length > 16;
  const place = (state.place = (lying ? lay : stand)(pen, names, surface, size, context));
  const { share, zero } = axis(view, values);
  pen.fillStyle = context.theme.line;
  const line = Math.max(1, Math.round(surface.ratio));
  if (lying) pen.fillRect(place.left + zero * place.long, 0, line, place.deep * names.length);
  else pen.fillRect(place.left, place.long * (1 - zero) + place.top, place.deep * names.length, line);
  for (let i = 0; i < names.length; i++) {
    const known = Number.isFinite(values[i]);
    const bar = { i, name: names[i], from: zero, to: known ? share(values[i]) : zero, said: known ? said(values[i], view, context) : "–" };
    (lying ? lyingBar : standingBar)(pen, bar, place, category(i === at ? 1 : 0, context.theme.dark), context.theme);
  }
  surface.hover(context, (x, y) => {
    const i = under(state.place, x, y, names.length);
    return i === null ? null : [`${names[i]}: ${context.number(values[i])}`];
  });
  context.legend.replaceChildren();
  surface.describe(`${context.title}. ${names.slice(0, 12).map((name, i) => `${name}: ${context.number(values[i])}`).join(", ")}`);
}

/** A number in short; one that is too small to be seen on an axis with ends is only said to be that. */
function said(value, { low, high, log }, context) {
  const least = (high - low) / 1000;
  return !log && value > 0 && value < least ? `< ${context.short(least)}` : context.short(value);
}

/** Where a value lies between the axis' ends, 0 … 1, and where a bar begins. */
function axis({ low, high, log }, values) {
  const known = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  let [from, to] = high > low ? [low, high] : [Math.min(0, ...known), Math.max(0, ...known)];
  if (log) [from, to] = low > 0 ? [Math.log10(low), Math.log10(high)] : decades(known);
  const scale = (value) => (log ? (value > 0 ? Math.log10(value) : from) : value);
  const share = (value) => Math.min(1, Math.max(0, (scale(value) - from) / (to - from || 1)));
  return { share, zero: log ? 0 : share(0) };
}

const decades = (values) =>
  values.length ? [Math.floor(Math.log10(Math.min(...values)) - 0.01), Math.ceil(Math.log10(Math.max(...values)))] : [0, 1];

/** Names on the left, bars to the right, as far apart as the height allows; room for a number behind the longest. */
function lay(pen, names, { width, height }, size, { theme }) {
  const deep = Math.min(height / Math.max(1, names.length), size * 1.9);
  const font = Math.min(size, deep * 0.9);
  pen.font = `${font}px ${theme.font}`;
  const widest = Math.max(0, ...names.map((name) => pen.measureText(name).width));
  const left = Math.min(widest + font * 0.5, width * 0.55);
  return { lying: true, deep, font, left, top: 0, long: Math.max(1, width - left - font * 3.6) };
}

/** Names beneath, bars upwards. */
function stand(pen, names, { width, height }, size) {
  const deep = Math.min(width / Math.max(1, names.length), size * 5);
  const left = (width - deep * names.length) / 2;
  return { lying: false, deep, font: size, left, top: size * 1.4, long: Math.max(1, height - size * 3) };
}

function lyingBar(pen, { i, name, from, to, said }, { left, deep, font, long }, colour, theme) {
  const [middle, high] = [(i + 0.5) * deep, Math.max(1, deep * FULL)];
  const [start, end] = [Math.min(from, to), Math.max(from, to)].map((share) => left + share * long);
  pen.fillStyle = colour;
  pen.fillRect(start, middle - high / 2, Math.max(1, end - start), high);
  pen.font = `${font}px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  pen.fillStyle = theme.text;
  pen.fillText(name, left - font * 0.4, middle, left - font * 0.4);
  pen.textAlign = "left";
  pen.fillStyle = theme.muted;
  pen.fillText(said, end + font * 0.35, middle, font * 3.2);
}

function standingBar(pen, { i, name, from, to, said }, { left, top, deep, font, long }, colour, theme) {
  const [middle, wide] = [left + (i + 0.5) * deep, Math.max(1, deep * FULL)];
  const [start, end] = [Math.min(from, to), Math.max(from, to)].map((share) => top + (1 - share) * long);
  pen.fillStyle = colour;
  pen.fillRect(middle - wide / 2, end, wide, Math.max(1, start - end));
  pen.font = `${font}px ${theme.font}`;
  pen.textAlign = "center";
  pen.textBaseline = "alphabetic";
  pen.fillStyle = theme.text;
  pen.fillText(name, middle, top + long + font * 1.2, deep);
  pen.fillStyle = theme.muted;
  if (pen.measureText(said).width < deep * 1.05) pen.fillText(said, middle, end - font * 0.3, deep);
}

/** The bar whose place is under a device pixel, or null. */
function under(place, x, y, count) {
  const i = Math.floor((place.lying ? y : x - place.left) / place.deep);
  return i >= 0 && i < count ? i : null;
}

/** A click chooses a bar, or Enter the one where the keyboard stands: its place, or -1. */
function choose(surface, state, names, context) {
  const select = (index) => context.event({ kind: "select", view: context.view, index });
  if (!state.choice) {
    state.choice = new Choice(surface.element, 0, select, () => surface.repaint());
    surface.canvas.classList.add("selectable");
    surface.canvas.addEventListener("click", (event) => {
      const i = under(state.place, ...surface.place(event), state.view.labels.length);
      if (i !== null) select(i);
    });
  }
  return state.choice.update(context, names, []);
}
