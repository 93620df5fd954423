// Draws named amounts with Plotly, the longest names on the left of lying bars.

import { axis, show } from "./charts.js";
import { category } from "./palette.js";

/** Draw `view` (see Bars in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  show(element, () => figure(view, context), context);
  const said = view.labels.slice(0, 12).map((label, i) => `${context.name(label)}: ${context.number(view.values.data[i])}`);
  context.describe(`${context.title}. ${said.join(", ")}`);
}

function figure(view, context) {
  const names = view.labels.map(context.name);
  const lying = names.some((name) => name.length > 3) || names.length > 16;
  const values = Array.from(view.values.data);
  const amount = { ...axis(context.theme), type: view.log ? "log" : "linear", fixedrange: true, nticks: 5 };
  if (view.high > view.low && !view.log) amount.range = [view.low, view.high];
  else if (view.high > 0 && view.low > 0) amount.range = [Math.log10(view.low), Math.log10(view.high)];
  const kind = { ...axis(context.theme), type: "category", fixedrange: true, showgrid: false, dtick: 1 };
  if (lying) kind.autorange = "reversed";
  const bar = {
    type: "bar",
    marker: { color: category(0, context.theme.dark) },
    orientation: lying ? "h" : "v",
    x: lying ? values : names,
    y: lying ? names : values,
    hovertemplate: lying ? "%{y}: %{x:.4~g}<extra></extra>" : "%{x}: %{y:.4~g}<extra></extra>",
  };
  return {
    data: [bar],
    layout: { xaxis: lying ? amount : kind, yaxis: lying ? kind : amount, bargap: 0.25, hovermode: "closest" },
  };
}
