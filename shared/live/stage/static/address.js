// Keeps the page's address in step with the run, so that a link reproduces what is on the screen.

const WAIT = 400; // ms; browsers refuse an address that changes too often
const LONGEST = 8000; // characters of a value in the address; servers refuse much longer ones, so such a text stays out

const waiting = new Map(); // stage → what it would write
let timer = null;

/**
 * Write each knob that differs from its default into the query string, its name after the stage's `prefix`
 * ("b.loss" for the second stage of a page), and the first stage's seed; leave the other keys alone.
 */
export function keepAddress(stage, prefix, { config, seed }) {
  waiting.set(stage, (set) => {
    for (const knob of stage.data.knobs) set(prefix + knob.name, config[knob.name], knob.default);
    if (prefix === "") set("seed", seed, 0);
  });
  timer ??= setTimeout(writeAddress, WAIT);
}

/** A stage that goes takes the write that waits with it. */
export function leaveAddress(stage) {
  waiting.delete(stage);
}

function writeAddress() {
  timer = null;
  const address = new URL(location.href);
  const set = (key, value, usual) => {
    const long = typeof value === "string" && encodeURIComponent(value.toWellFormed?.() ?? value).length > LONGEST;
    if (value === undefined || value === usual || long) address.searchParams.delete(key);
    else address.searchParams.set(key, String(value));
  };
  for (const write of waiting.values()) write(set);
  waiting.clear();
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}
