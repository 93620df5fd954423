// Draws a text in two columns, who asks on the left and who is asked on the right, and lines as strong as their weights.

import { h, mark } from "./dom.js";
import { category } from "./palette.js";
import { surfaceOf } from "./surface.js";

const BEHIND = 0.2; // of their strength is left to the lines of tokens that are not chosen
const NEAR = 5; // CSS pixels from a line within which the pointer means it
const states = new WeakMap();

/** Draw `view` (see Links in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = { active: 0 }));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  const grid = (state.grid = arrange(view, surface, context));
  const [asks] = view.selected;
  for (let i = 0; i < view.weights.data.length; i++) {
    const [from, to] = ends(view, i);
    pen.globalAlpha = Math.min(1, view.weights.data[i]) * (asks === undefined || asks === from ? 1 : BEHIND);
    pen.strokeStyle = category(0, context.theme.dark);
    pen.lineWidth = 2.5 * surface.ratio;
    pen.beginPath();
    pen.moveTo(grid.left, middle(grid, from));
    pen.lineTo(grid.right, middle(grid, to));
    pen.stroke();
  }
  pen.globalAlpha = 1;
  drawTokens(pen, view, grid, context);
  surface.hover(context, (x, y) => read(state, context, x, y, NEAR * surface.ratio));
  choose(surface, state, context);
  surface.describe(`${context.title}. ${spoken(view, context)}`);
}

const ends = (view, i) => [view.ends.data[2 * i], view.ends.data[2 * i + 1]];
const middle = ({ top, high }, row) => top + (row + 0.5) * high;
const line = (view, i, context) => {
  const [from, to] = ends(view, i);
  return `${view.tokens[from]} → ${view.tokens[to]}: ${context.number(view.weights.data[i])}`;
};

/** The height of a row, and where the lines begin and end, in device pixels. */
function arrange({ tokens }, { width, height, ratio }, { theme }) {
  const high = Math.min(theme.small * ratio * 1.7, height / Math.max(1, tokens.length));
  const top = Math.max(0, (height - high * tokens.length) / 2);
  return { high, top, left: width * 0.36, right: width * 0.64, count: tokens.length, size: Math.min(theme.small * ratio, high), gap: 6 * ratio };
}

function drawTokens(pen, { tokens, selected }, grid, { theme }) {
  pen.textBaseline = "middle";
  for (const [column, align, x, way] of [[0, "right", grid.left, -1], [1, "left", grid.right, 1]]) {
    pen.textAlign = align;
    for (let i = 0; i < tokens.length; i++) {
      const chosen = selected[column] === i;
      pen.font = `${chosen ? "bold " : ""}${grid.size}px ${theme.font}`;
      pen.fillStyle = chosen ? theme.primary : theme.text;
      pen.fillText(tokens[i], x + way * grid.gap, middle(grid, i), grid.left - 2 * grid.gap);
    }
  }
}

/** The token under a device pixel as [side, row], or null between the columns and beyond the rows. */
function at(grid, x, y) {
  const row = Math.floor((y - grid.top) / grid.high);
  if (row < 0 || row >= grid.count || (x > grid.left && x < grid.right)) return null;
  return [x <= grid.left ? "asks" : "asked", row];
}

/** All lines of a token, or the strongest of those under the pointer. */
function read({ view, grid }, context, x, y, near) {
  const token = at(grid, x, y);
  const end = token?.[0] === "asked" ? 1 : 0;
  const all = [...view.weights.data.keys()].sort((a, b) => view.weights.data[b] - view.weights.data[a]);
  if (token) {
    const lines = all.filter((i) => ends(view, i)[end] === token[1]).slice(0, 8);
    return lines.length ? lines.map((i) => line(view, i, context)) : [view.tokens[token[1]]];
  }
  const share = (x - grid.left) / (grid.right - grid.left);
  const hit = all.find((i) => {
    const [from, to] = ends(view, i).map((row) => middle(grid, row));
    const slope = (to - from) / (grid.right - grid.left);
    return Math.abs(from + share * (to - from) - y) / Math.hypot(1, slope) < near;
  });
  return hit === undefined ? null : [line(view, hit, context)];
}

/** A click chooses a token on either side; the keyboard chooses who asks. */
function choose(surface, state, context) {
  const { element, canvas } = surface;
  const select = (side, row) =>
    context.event({ kind: "select", view: context.view, side, index: state.view.first + row });
  if (!state.list) {
    state.list = h("div", { role: "listbox", tabindex: "0", class: "options" });
    element.append(state.list);
    canvas.classList.add("selectable");
    canvas.addEventListener("click", (event) => {
      const token = at(state.grid, ...surface.place(event));
      if (token) select(...token);
    });
    state.list.addEventListener("keydown", (event) => {
      const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const row = (state.view.selected[0] ?? 0) + way;
      if (row >= 0 && row < state.view.tokens.length) select("asks", row);
    });
  }
  const key = `${state.view.first} ${state.view.selected[0]} ${state.view.tokens.join("\n")}`;
  if (state.key !== key) {
    state.key = key;
    mark(state.list, "aria-label", context.title);
    state.list.replaceChildren(
      ...state.view.tokens.map((token, i) =>
        h("div", { role: "option", id: `${context.view}-${i}`, "aria-selected": String(state.view.selected[0] === i) }, token),
      ),
    );
  }
  mark(state.list, "aria-activedescendant", `${context.view}-${state.view.selected[0] ?? 0}`);
}

/** The chosen token's lines in words. */
function spoken(view, context) {
  const own = [...view.weights.data.keys()].filter((i) => ends(view, i)[0] === view.selected[0]);
  return own.map((i) => line(view, i, context)).join(", ");
}
