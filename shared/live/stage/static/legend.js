// The key of a picture, above it: a marker or a line a name, and a bar for a colour scale.

import { h, icon, write } from "./dom.js";
import { gradient } from "./palette.js";

const shown = new WeakMap();

/** Show names with their markers, and a scale {table, low, high}; does nothing where neither has changed. */
export function legend(context, { styles = {}, names = [], scale = null, lines = false }) {
  const key = JSON.stringify([names.map((n) => [context.name(n), styles[n]]), scale && [scale.low, scale.high], context.theme.dark]);
  if (shown.get(context.legend) === key) return;
  shown.set(context.legend, key);
  const items = names.map((name) => h("li", {}, lines ? line(styles[name]) : marker(styles[name]), context.name(name)));
  if (scale) items.push(scaleBar(scale, context));
  context.legend.replaceChildren(...items);
}

function line({ colour, dash }) {
  const element = h("span", { class: `line ${dash}`, "aria-hidden": "true" });
  element.style.borderTopColor = colour;
  return element;
}

// The markers of stamps.js as paths in a box from -1.5 to 1.5.
const PATHS = {
  circle: "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",
  diamond: "M0-1.25L1.25 0L0 1.25L-1.25 0z",
  cross: "M-1-1L1 1M1-1L-1 1",
  triangle: "M0-1.2L1.1.9L-1.1.9z",
  square: "M-1-1H1V1H-1z",
};

function marker({ shape, colour }) {
  const drawn = icon(PATHS[shape], "-1.5 -1.5 3 3", "marker");
  drawn.style.color = colour;
  return drawn;
}

function scaleBar({ table, low, high }, context) {
  const bar = h("span", { class: "scale", "aria-hidden": "true" });
  bar.style.background = gradient(table);
  const from = h("span");
  const to = h("span");
  write(from, context.short(low));
  write(to, context.short(high));
  return h("li", {}, from, bar, to);
}
