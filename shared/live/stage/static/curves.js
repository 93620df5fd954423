// Draws lines over steps with Plotly; each name has a dash as well as a colour.

import { axis, show } from "./charts.js";
import { legend } from "./legend.js";
import { styles } from "./palette.js";

/** Draw `view` (see Curves in shared/live/views.py) into the element. */
export function draw(element, view, context) {
  const names = Object.keys(view.series);
  const style = styles(names, context.theme.dark);
  legend(context, { styles: style, names, lines: true });
  show(element, () => figure(view, style, context), context);
  context.describe(`${context.title}. ${names.map((name) => summary(name, view.series[name], context)).join(", ")}`);
}

function summary(name, { data }, context) {
  return data.length ? `${context.name(name)}: ${context.number(data[data.length - 1])}` : context.name(name);
}

function figure(view, style, context) {
  const data = Object.entries(view.series).map(([name, { shape, data: flat }]) => {
    const [x, y] = [new Float32Array(shape[0]), new Float32Array(shape[0])];
    for (let i = 0; i < shape[0]; i++) [x[i], y[i]] = [flat[2 * i], flat[2 * i + 1]];
    const line = { color: style[name].colour, width: 1.8, dash: style[name].dash };
    return { type: "scatter", mode: "lines", name: context.name(name), x, y, line, hovertemplate: "%{y:.4~g}" };
  });
  const levels = Object.entries(view.levels);
  const shapes = levels.map(([, y]) => {
    return { type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color: context.theme.muted, width: 1, dash: "dot" } };
  });
  const annotations = levels.map(([name, y]) => {
    const height = view.log ? Math.log10(y) : y;
    return { xref: "paper", x: 1, y: height, text: context.name(name), showarrow: false, xanchor: "right", yanchor: "bottom" };
  });
  const xaxis = { ...axis(context.theme), hoverformat: ",d" };
  const yaxis = { ...axis(context.theme), type: view.log ? "log" : "linear", nticks: 5, exponentformat: "power" };
  if (view.high > view.low) yaxis.range = view.log ? [Math.log10(view.low), Math.log10(view.high)] : [view.low, view.high];
  return { data, layout: { xaxis, yaxis, shapes, annotations } };
}
