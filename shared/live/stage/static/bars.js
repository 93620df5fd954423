// Draws named amounts with Plotly, the longest names on the left of lying bars; where it says so, one may be chosen.

import { axis, show } from "./charts.js";
import { Choice } from "./choice.js";
import { category } from "./palette.js";

const choices = new WeakMap();

/** Draw `view` (see Bars in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const names = view.labels.map(context.name);
  const at = view.selectable ? keyboard(element, view, names, context) : -1;
  show(element, () => figure(view, names, at, context), context);
  const said = names.slice(0, 12).map((name, i) => `${name}: ${context.number(view.values.data[i])}`);
  context.describe(`${context.title}. ${said.join(", ")}`);
}

const select = (index, context) => context.event({ kind: "select", view: context.view, index });

/** The bar where the keyboard stands, or -1. */
function keyboard(element, view, names, context) {
  let choice = choices.get(element);
  if (!choice?.list.isConnected) {
    choice = new Choice(element, 0, (i) => select(i, context), () => draw(element, choice.view, context));
    choices.set(element, choice);
  }
  choice.view = view;
  return choice.update(context, names, []);
}

function figure(view, names, at, context) {
  const lying = names.some((name) => name.length > 3) || names.length > 16;
  const values = Array.from(view.values.data);
  const amount = { ...axis(context.theme), type: view.log ? "log" : "linear", fixedrange: true, nticks: 5 };
  if (view.high > view.low && !view.log) amount.range = [view.low, view.high];
  else if (view.high > 0 && view.low > 0) amount.range = [Math.log10(view.low), Math.log10(view.high)];
  const kind = { ...axis(context.theme), type: "category", fixedrange: true, showgrid: false, dtick: 1 };
  if (lying) kind.autorange = "reversed";
  const bar = {
    type: "bar",
    marker: { color: names.map((_, i) => category(i === at ? 1 : 0, context.theme.dark)) },
    orientation: lying ? "h" : "v",
    x: lying ? values : names,
    y: lying ? names : values,
    hovertemplate: lying ? "%{y}: %{x:.4~g}<extra></extra>" : "%{x}: %{y:.4~g}<extra></extra>",
  };
  return {
    data: [bar],
    layout: { xaxis: lying ? amount : kind, yaxis: lying ? kind : amount, bargap: 0.25, hovermode: "closest" },
    click: view.selectable ? (i) => select(i, context) : null,
  };
}
