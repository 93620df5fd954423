// How numbers are written: four figures that matter, in the reader's language.

const formats = new Map();

function format(language, options) {
  const key = language + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) formats.set(key, (found = new Intl.NumberFormat(language, options)));
  return found;
}

/** 1,234 · 0.543 · 12.35 · 1.2e-5: whole numbers in full, others with as many decimals as their size needs. */
export function number(value, language = "en") {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return format(language, { maximumFractionDigits: 0, useGrouping: "always" }).format(value);
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${format(language, { maximumFractionDigits: 2 }).format(Number(digits))}e${Number(power)}`;
  }
  // The same number of decimals for numbers of one size: a live number must not change its width.
  const decimals = size < 0.01 ? 5 : size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0;
  return format(language, { maximumFractionDigits: decimals, minimumFractionDigits: decimals, useGrouping: "always" }).format(value);
}

/** A number as short as it can be without loss at three figures, for ticks and knobs: 0.001, 0.5, 12, 3e-5. */
export function short(value, language = "en") {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${format(language, { maximumFractionDigits: 1 }).format(Number(digits))}e${Number(power)}`;
  }
  return format(language, { maximumSignificantDigits: size >= 100 ? 6 : 3, useGrouping: false }).format(value);
}

/** `{name}` in a sentence filled from details; a detail that is a known identifier is put into words. */
export function fill(sentence, details = {}, names = {}, language = "en") {
  return sentence.replace(/\{(\w+)\}/g, (whole, key) => {
    if (!(key in details)) return whole;
    const value = details[key];
    if (typeof value === "number") return key === "seed" || Number.isInteger(value) ? String(value) : short(value, language);
    return names[value] ?? String(value);
  });
}

/** Round numbers between two positive ones for an axis of powers: 0.1, 1, 10; the 2s and 5s too where they are near. */
export function decades(low, high) {
  const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.max(1, Math.ceil((to - from) / 5));
  const found = [];
  for (let power = from; power <= to; power += every)
    for (const m of to - from > 2 ? [1] : [1, 2, 5]) found.push(Number((m * 10 ** power).toPrecision(3)));
  const inside = found.filter((value) => value >= low && value <= high);
  return inside.length > 1 ? inside : ticks(low, high);
}

/** An axis' numbers as texts, with the decimals that tell one from the next. */
export function tickTexts(values, language = "en") {
  const step = Math.abs(values[1] - values[0]);
  const largest = Math.max(...values.map(Math.abs));
  if (!(step >= 1e-3) || largest >= 1e7) return values.map((value) => short(value, language));
  const decimals = Math.max(0, ...values.map((value) => (String(value).split(".")[1] ?? "").length));
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: largest >= 1e4 ? "always" : false };
  return values.map((value) => format(language, options).format(value));
}

/** Three to six round numbers between low and high, for an axis. */
export function ticks(low, high, wanted = 4) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= rough);
  const found = [];
  for (let i = Math.ceil(low / unit - 1e-9); i * unit <= high + unit * 1e-9; i++) found.push(Number((i * unit).toPrecision(12)));
  return found;
}
