// Keeps the page's address in step with the run, so that a link reproduces what is on the screen.

const WAIT = 400; // ms; browsers refuse an address that changes too often

let timer = null;

/** Write the seed and each knob that differs from its default into the query string; leave its other keys alone. */
export function keepAddress(knobs, { config, seed }) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const address = new URL(location.href);
    const set = (key, value, usual) => {
      if (value === undefined || value === usual) address.searchParams.delete(key);
      else address.searchParams.set(key, String(value));
    };
    for (const knob of knobs) set(knob.name, config[knob.name], knob.default);
    set("seed", seed, 0);
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }, WAIT);
}

/** A page that goes takes the write that waits with it. */
export function leaveAddress() {
  clearTimeout(timer);
}
