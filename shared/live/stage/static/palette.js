// Every colour of the stage: Okabe and Ito's for categories, tables made in OKLab for fields and matrices.

// Okabe & Ito (2008), told apart with any colour vision; the dark set is lifted until it reads on a dark ground.
const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#00795a", "#aa4499", "#8a6d00", "#2b8cbe", "#444444"],
  dark: ["#56b4e9", "#f0894d", "#2fc79b", "#e59ac6", "#f0e442", "#8fd3ff", "#c8c8c8"],
};
// What a name means has one colour on the whole page: real is blue, whatever the generator makes is vermilion.
const MEANINGS = [[/generat|fake/, 1], [/real/, 0], [/discriminat/, 2]];

/** One categorical colour, by its place. */
export const category = (index, dark) => CATEGORIES[dark ? "dark" : "light"][index];

export const SHAPES = ["circle", "diamond", "cross", "triangle", "square"];
export const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];

/** What a dash is, in device pixels. */
export const dashes = (dash, ratio) =>
  ({ dash: [6, 4], dot: [2, 3], dashdot: [6, 3, 2, 3], longdash: [10, 4] }[dash] ?? []).map((length) => length * ratio);

/** Colour, marker and dash for each name, so that no two names of one picture look alike. */
export function styles(names, dark) {
  const colours = CATEGORIES[dark ? "dark" : "light"];
  const taken = new Set();
  const chosen = {};
  const want = (name) => MEANINGS.find(([pattern]) => pattern.test(name))?.[1];
  const order = [...names].sort((a, b) => (want(a) === undefined) - (want(b) === undefined));
  for (const name of order) {
    let index = want(name);
    // The meaning's own colour is not given to a name without one, unless all the others are used up.
    if (index === undefined || taken.has(index)) index = [3, 4, 5, 6, 2, 0, 1].find((i) => !taken.has(i)) ?? taken.size % 7;
    taken.add(index);
    chosen[name] = { colour: colours[index], shape: SHAPES[index % SHAPES.length] };
  }
  names.forEach((name, i) => (chosen[name].dash = DASHES[i % DASHES.length]));
  return chosen;
}

/** sRGB bytes of an OKLCH colour (Ottosson 2020), chroma given up where the screen cannot show it. */
function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  if (chroma > 0.001 && linear.some((v) => v < -0.001 || v > 1.001)) return oklch(lightness, chroma * 0.96, hue);
  return linear.map((v) => {
    const clipped = Math.min(1, Math.max(0, v));
    return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
  });
}

/** 256 colours as the uint32 that an ImageData's buffer holds (red in the lowest byte). */
function table(colourAt) {
  const colours = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const [r, g, b] = colourAt(i / 255);
    colours[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return colours;
}

/** Low vermilion, high blue, a neutral middle: for a probability, or for numbers on both sides of zero. */
function diverging(dark) {
  return table((t) => {
    const far = Math.abs(t - 0.5) * 2;
    const hue = t < 0.5 ? 55 : 245;
    return dark ? oklch(0.27 + 0.3 * far, 0.125 * far, hue) : oklch(0.98 - 0.25 * far, 0.125 * far, hue);
  });
}

/** Even steps of lightness from dark violet over teal to yellow: for amounts. */
const sequential = () => table((t) => oklch(0.2 + 0.73 * t, 0.1 + 0.09 * Math.sin(Math.PI * (0.15 + 0.75 * t)), 300 - 195 * t));

const tables = {};
/** The table for numbers from low to high: diverging when `both` sides mean something. */
export function colours(both, dark) {
  const key = both ? (dark ? "diverging dark" : "diverging light") : "sequential";
  return (tables[key] ??= both ? diverging(dark) : sequential());
}

/** A CSS gradient of a colour table, for its legend. */
export function gradient(colourTable) {
  const stops = [];
  for (let i = 0; i <= 255; i += 15) {
    const c = colourTable[i];
    stops.push(`rgb(${c & 255} ${(c >> 8) & 255} ${(c >> 16) & 255})`);
  }
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** Red, green, blue of any CSS colour that a browser has computed. */
function rgb(colour) {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour || "#888";
  pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data;
}

/** Relative luminance, 0 … 1 (WCAG 2.2). */
function luminance(colour) {
  const [r, g, b] = [...rgb(colour)].map((v) => (v <= 10 ? v / 3294 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** What the canvases and charts need of Streamlit's theme, read once a mount from the element's own variables. */
export function readTheme(element) {
  const computed = getComputedStyle(element);
  const background = computed.backgroundColor === "rgba(0, 0, 0, 0)" ? "#ffffff" : computed.backgroundColor;
  const primary = computed.getPropertyValue("--st-primary-color").trim() || "#0072b2";
  const dark = luminance(background) < 0.35;
  return {
    dark,
    background,
    text: computed.color,
    muted: dark ? "rgba(255,255,255,0.72)" : "rgba(20,24,32,0.72)",
    line: dark ? "rgba(255,255,255,0.2)" : "rgba(20,24,32,0.17)",
    primary,
    // Black or white on the primary colour, whichever reads better: both pass AA on at least one side.
    onPrimary: luminance(primary) > 0.179 ? "#000000" : "#ffffff",
    font: computed.fontFamily,
    size: parseFloat(computed.fontSize),
    // Ticks and labels; in a lecture nothing is small.
    small: parseFloat(computed.fontSize) * (element.classList.contains("lecture") ? 1 : 0.85),
  };
}
