// Draws a grid of pictures, pixel for pixel, and lets one be chosen.

import { h, mark } from "./dom.js";
import { hold } from "./holding.js";
import { surfaceOf } from "./surface.js";

const states = new WeakMap();

/** Draw `view` (see Images in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const surface = surfaceOf(element);
  let state = states.get(element);
  if (!state) states.set(element, (state = { atlas: document.createElement("canvas"), active: 0 }));
  const pen = surface.begin(context, () => draw(element, state.view, context));
  state.view = view;
  const grid = (state.grid = arrange(pen, view, surface, context));
  fillAtlas(state, view, grid);
  pen.imageSmoothingEnabled = false;
  for (let i = 0; i < grid.count; i++) {
    const [x, y] = corner(grid, i);
    const source = [(i % grid.columns) * grid.w, Math.floor(i / grid.columns) * grid.h];
    pen.drawImage(state.atlas, ...source, grid.w, grid.h, x, y, grid.cellWidth, grid.cellHeight);
  }
  if (grid.labelHeight) drawLabels(pen, view, grid, context);
  if (grid.margin || grid.head) drawSides(pen, view, grid, context);
  for (const i of view.selected) if (i < grid.count) frame(pen, grid, i, context, surface.ratio);
  if (view.selectable) choose(surface, state, context);
  if (view.keys.length) hold(surface, state, context);
  surface.hover(context, (x, y) => {
    const i = at(state.grid, x, y);
    return i === null ? null : [nameOf(state.view, i, context)];
  });
  surface.describe(`${context.title}. ${grid.count} × ${grid.w}×${grid.h}`);
}

const nameOf = (view, i, context) => (view.labels[i] ? `${view.across.length ? "" : `${i}: `}${context.name(view.labels[i])}` : String(i));

/** Rows, columns and the size of a cell, as large as the element allows beside the names. */
function arrange(pen, { pixels, columns: wanted, labels, across, down }, { width, height, ratio, element }, { theme }) {
  const [count, h, w] = pixels.shape;
  const columns = Math.max(1, Math.min(count, wanted || Math.ceil(Math.sqrt(count))));
  const rows = Math.max(1, Math.ceil(count / columns));
  const gap = Math.round(count > 1 ? (count > 200 ? 1 : 2) * ratio : 0);
  const size = theme.small * ratio;
  pen.font = `${size}px ${theme.font}`;
  const margin = down.length ? Math.ceil(Math.max(...down.map((name) => pen.measureText(name).width)) + size * 0.4) : 0;
  const head = across.length ? Math.round(size * 1.3) : 0;
  const labelHeight = labels.length && !margin && !head ? Math.round(size * 1.35) : 0;
  const wide = (width - margin - gap * (columns + 1)) / columns / w;
  const high = (height - head - gap * (rows + 1) - labelHeight * rows) / rows / h;
  const scale = Math.max(1 / Math.max(w, h), Math.min(wide, high));
  const [cellWidth, cellHeight] = [Math.max(1, Math.floor(w * scale)), Math.max(1, Math.floor(h * scale))];
  const left = margin + Math.floor((width - margin - columns * (cellWidth + gap) + gap) / 2);
  const top = head + Math.floor((height - head - rows * (cellHeight + gap + labelHeight) + gap) / 2);
  // Where the views stand one under the other, its own form says how high it is; never higher than wide.
  element.style.setProperty("--aspect", Math.max(1, (columns * w) / (rows * h)).toFixed(2));
  return { count, columns, rows, w, h, gap, labelHeight, margin, head, size, cellWidth, cellHeight, left, top, ratio };
}

function corner({ columns, cellWidth, cellHeight, gap, labelHeight, left, top }, i) {
  return [left + (i % columns) * (cellWidth + gap), top + Math.floor(i / columns) * (cellHeight + gap + labelHeight)];
}

/** The picture under a device pixel, or null. */
function at(grid, x, y) {
  const column = Math.floor((x - grid.left) / (grid.cellWidth + grid.gap));
  const row = Math.floor((y - grid.top) / (grid.cellHeight + grid.gap + grid.labelHeight));
  const i = row * grid.columns + column;
  return column >= 0 && column < grid.columns && row >= 0 && i < grid.count ? i : null;
}

/** All pictures in one canvas at their own size, from which the cells are copied larger. */
function fillAtlas(state, { pixels }, { count, columns, rows, w, h }) {
  const [width, height] = [columns * w, rows * h];
  if (state.atlas.width !== width || state.atlas.height !== height || !state.image) {
    state.atlas.width = width;
    state.atlas.height = height;
    state.pen = state.atlas.getContext("2d", { willReadFrequently: true });
    state.image = state.pen.createImageData(width, height);
    state.words = new Uint32Array(state.image.data.buffer);
  }
  const { data } = pixels;
  const channels = pixels.rgba ? 4 : (pixels.shape[3] ?? 1);
  for (let i = 0; i < count; i++) {
    const origin = Math.floor(i / columns) * h * width + (i % columns) * w;
    for (let y = 0; y < h; y++) {
      let to = origin + y * width;
      let from = (i * h + y) * w * channels;
      for (let x = 0; x < w; x++, to++, from += channels) {
        const red = data[from];
        state.words[to] =
          channels === 1
            ? (255 << 24) | (red << 16) | (red << 8) | red
            : (255 << 24) | (data[from + 2] << 16) | (data[from + 1] << 8) | red;
      }
    }
  }
  state.pen.putImageData(state.image, 0, 0);
}

/** Each name under its picture; where the pictures after it have none, it begins with its own and has their room too. */
function drawLabels(pen, view, grid, context) {
  const size = Math.round(grid.labelHeight / 1.35);
  pen.font = `${size}px ${context.theme.font}`;
  pen.fillStyle = context.theme.text;
  pen.textBaseline = "top";
  for (let i = 0; i < grid.count; i++) {
    if (!view.labels[i]) continue;
    let next = i + 1;
    while (next < grid.count && next % grid.columns && !view.labels[next]) next++;
    const [x, y] = corner(grid, i);
    const alone = next === i + 1;
    pen.textAlign = alone ? "center" : "left";
    const room = (next - i) * (grid.cellWidth + grid.gap);
    pen.fillText(context.name(view.labels[i]), x + (alone ? grid.cellWidth / 2 : 0), y + grid.cellHeight + 1, room);
  }
}

/** The names of the columns above them and of the rows on their left: all, or every second, third, … */
function drawSides(pen, { across, down }, grid, { theme }) {
  pen.font = `${grid.size}px ${theme.font}`;
  pen.fillStyle = theme.muted;
  pen.textAlign = "center";
  pen.textBaseline = "bottom";
  const widest = Math.max(0, ...across.map((name) => pen.measureText(name).width));
  const apart = Math.max(1, Math.ceil((widest + grid.size * 0.4) / (grid.cellWidth + grid.gap)));
  for (let i = 0; i < across.length; i += apart) pen.fillText(across[i], corner(grid, i)[0] + grid.cellWidth / 2, grid.top - grid.gap);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const below = Math.max(1, Math.ceil(grid.size / (grid.cellHeight + grid.gap)));
  for (let i = 0; i < down.length; i += below)
    pen.fillText(down[i], grid.left - grid.size * 0.3, corner(grid, i * grid.columns)[1] + grid.cellHeight / 2);
}

function frame(pen, grid, i, { theme }, ratio, dashed = false) {
  const [x, y] = corner(grid, i);
  const wide = Math.max(2, Math.round(3 * ratio));
  pen.lineWidth = wide;
  pen.strokeStyle = theme.background;
  pen.strokeRect(x + wide / 2, y + wide / 2, grid.cellWidth - wide, grid.cellHeight - wide);
  pen.strokeStyle = theme.primary;
  pen.setLineDash(dashed ? [wide * 2, wide] : []);
  pen.strokeRect(x, y, grid.cellWidth, grid.cellHeight);
  pen.setLineDash([]);
}

/** A click or the keyboard chooses; the pictures are the options of a list box for those who do not see them. */
function choose(surface, state, context) {
  const { element, canvas } = surface;
  const { view, grid } = state;
  if (!state.list) {
    state.list = h("div", { role: "listbox", tabindex: "0", class: "options", "aria-orientation": "horizontal" });
    element.append(state.list);
    canvas.classList.add("selectable");
    canvas.addEventListener("click", (event) => {
      const i = at(state.grid, ...surface.place(event));
      if (i !== null) select(i);
    });
    const select = (i) => {
      state.active = i;
      context.event({ kind: "select", view: context.view, index: i });
    };
    state.list.addEventListener("keydown", (event) => moved(event, state, select, () => draw(element, state.view, context)));
    for (const kind of ["focus", "blur"]) state.list.addEventListener(kind, () => draw(element, state.view, context));
  }
  const key = `${grid.count} ${view.labels.join("\n")} ${view.selected.join()}`;
  if (state.key !== key) {
    state.key = key;
    state.list.setAttribute("aria-label", context.title);
    state.list.replaceChildren(
      ...Array.from({ length: grid.count }, (_, i) =>
        h("div", { role: "option", id: `${context.view}-${i}`, "aria-selected": String(view.selected.includes(i)) }, nameOf(view, i, context)),
      ),
    );
  }
  mark(state.list, "aria-activedescendant", `${context.view}-${Math.min(state.active, grid.count - 1)}`);
  if (state.list.matches(":focus-visible")) frame(surface.pen, grid, Math.min(state.active, grid.count - 1), context, surface.ratio, true);
}

function moved(event, state, select, redraw) {
  const { columns, count } = state.grid;
  const way = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (event.key === "Enter" || event.key === " ") select(Math.min(state.active, count - 1));
  else if (way && state.active + way >= 0 && state.active + way < count) state.active += way;
  else if (!way) return;
  event.preventDefault();
  redraw();
}
