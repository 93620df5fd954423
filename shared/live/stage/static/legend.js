// The key of a picture, above it: a marker or a line a name, and a bar for a colour scale.

import { h, write } from "./dom.js";
import { gradient } from "./palette.js";
import { stamp } from "./stamps.js";

const shown = new WeakMap();

/** Show names with their markers, and a scale {table, low, high}; does nothing where neither has changed. */
export function legend(context, { styles = {}, names = [], scale = null, lines = false }) {
  const key = JSON.stringify([names.map((n) => [context.name(n), styles[n]]), scale && [scale.low, scale.high], context.theme.dark, context.theme.size]);
  if (shown.get(context.legend) === key) return;
  shown.set(context.legend, key);
  const items = names.map((name) => h("li", {}, lines ? line(styles[name]) : marker(styles[name], context.theme), context.name(name)));
  if (scale) items.push(scaleBar(scale, context));
  context.legend.replaceChildren(...items);
}

function line({ colour, dash }) {
  const element = h("span", { class: `line ${dash}`, "aria-hidden": "true" });
  element.style.borderTopColor = colour;
  return element;
}

function marker({ shape, colour }, theme) {
  const ratio = Math.max(2, window.devicePixelRatio || 1);
  const canvas = document.createElement("canvas");
  const picture = stamp(shape, colour, 0.3 * theme.size * ratio, ratio);
  canvas.width = canvas.height = picture.width;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  canvas.style.width = `${picture.width / ratio}px`;
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
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
