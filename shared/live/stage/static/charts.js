// Plotly, kept from getting in the way: loaded after the first frame, drawn seldom, never two charts at once.

import { mark } from "./dom.js";

const OFTEN = 250; // ms between two drawings of a chart, at least
const SHARE = 12; // and after each drawing, of any chart, a pause so many times as long as it took,
const LONGEST = 1000; // but no longer than this, in ms: the first drawing of a chart is its slowest

let loading = null;

/** Fetch plotly.js once for the page. Resolves to Plotly. */
export function load(address) {
  loading ??= new Promise((resolve, reject) => {
    if (window.Plotly?.react) return resolve(window.Plotly);
    const script = document.createElement("script");
    script.src = address;
    script.async = true;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error(`could not load ${address}`));
    };
    document.head.append(script);
  });
  return loading;
}

const sheets = new WeakMap();

/** Plotly writes its rules into the document's head, which a shadow root does not see: copy them in, once. */
function dress(root) {
  if (!(root instanceof ShadowRoot) || sheets.has(root)) return;
  const rules = [...(document.getElementById("plotly.js-style-global")?.sheet?.cssRules ?? [])].map((rule) => rule.cssText);
  if (!rules.length) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(rules.join("\n"));
  sheets.set(root, sheet);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}

const charts = new WeakMap();
const queue = new Set();
let busy = false;

/** Show what `build()` returns, {data, layout}, in the element: soon, and in its turn. */
export function show(element, build, context) {
  let chart = charts.get(element);
  if (!chart) charts.set(element, (chart = new Chart(element, context)));
  chart.build = build;
  chart.due();
}

/** Free what Plotly keeps for the element. */
export function forget(element) {
  const chart = charts.get(element);
  if (!chart) return;
  chart.gone = true;
  queue.delete(chart);
  clearTimeout(chart.timer);
  chart.visibility.disconnect();
  chart.sizes.disconnect();
  if (chart.drawn) window.Plotly?.purge(chart.plot);
  charts.delete(element);
}

class Chart {
  constructor(element, context) {
    this.context = context;
    this.last = -Infinity;
    this.visible = true;
    this.plot = document.createElement("div");
    this.plot.className = "plot";
    element.append(this.plot);
    this.visibility = new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      if (this.visible) this.due();
    });
    this.visibility.observe(element);
    this.sizes = new ResizeObserver(([{ contentRect }]) => {
      this.size = [Math.round(contentRect.width), Math.round(contentRect.height)];
      this.last = -Infinity;
      this.due();
    });
    this.sizes.observe(element);
  }

  /** Ask for a drawing once enough time has gone by since the last. */
  due() {
    if (this.timer || this.gone || !this.build || !this.visible) return;
    const wait = OFTEN * (this.context.calm() ? 4 : 1) - (performance.now() - this.last);
    this.timer = setTimeout(() => {
      this.timer = null;
      queue.add(this);
      next();
    }, Math.max(0, wait));
  }

  /** Resolves to the milliseconds that the drawing took. */
  async draw() {
    const Plotly = await load(this.context.plotly);
    if (this.gone || !this.build || !this.visible || !this.size?.[0] || !this.size[1]) return;
    dress(this.plot.getRootNode());
    const begun = performance.now();
    const { data, layout } = this.build();
    this.build = null;
    const [width, height] = this.size;
    await Plotly.react(this.plot, data, { ...base(this.context), ...layout, width, height }, settings(layout));
    this.drawn = true;
    this.last = performance.now();
    mark(this.plot, "data-drawn", true);
    return this.last - begun;
  }
}

/** Draw one chart of the queue when the browser has a moment; then the next. */
function next() {
  if (busy || !queue.size) return;
  busy = true;
  const idle = window.requestIdleCallback ?? ((callback) => setTimeout(callback, 1));
  idle(
    async () => {
      const [chart] = queue;
      queue.delete(chart);
      let cost = 0;
      try {
        cost = (await chart?.draw()) ?? 0;
      } catch (error) {
        console.warn("stage: a chart was not drawn:", error);
      }
      setTimeout(() => ((busy = false), next()), Math.min(LONGEST, SHARE * cost));
    },
    { timeout: 300 },
  );
}

/** Zooming tools on hover, for charts that can be zoomed. */
function settings({ xaxis, yaxis }) {
  const fixed = xaxis.fixedrange && yaxis.fixedrange;
  return { displaylogo: false, responsive: false, displayModeBar: fixed ? false : "hover", modeBarButtons: [["zoom2d", "pan2d", "autoScale2d"]] };
}

/** An axis in the theme's colours; charts add their own to it. */
export function axis({ line }) {
  return { gridcolor: line, linecolor: line, zerolinecolor: line, tickcolor: line, automargin: true };
}

/** The theme as a Plotly layout. `uirevision` keeps a person's zoom from one drawing to the next. */
function base({ theme, language }) {
  const font = { family: theme.font, size: Math.max(11, theme.small), color: theme.text };
  return {
    uirevision: "kept",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    margin: { l: theme.size * 2.6, r: 8, t: 6, b: theme.size * 1.7 },
    separators: language === "es" ? ",." : ".,",
    hovermode: "x unified",
    hoverlabel: { bgcolor: theme.background, bordercolor: theme.line, font },
    showlegend: false,
    modebar: { bgcolor: theme.background, color: theme.muted, activecolor: theme.text },
  };
}
