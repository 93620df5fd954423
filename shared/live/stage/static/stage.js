// The stage: the one browser component that draws a run's frames and sends back what the person does.

import { Stage } from "./director.js";

// Asked for at once: the sheet must be there before anything is shown, or the page would jump.
const sheet = fetch(new URL("stage.css", import.meta.url))
  .then((answer) => answer.text())
  .then((text) => new CSSStyleSheet().replace(text));

const stages = new WeakMap();

/**
 * Show the component, or bring the one that is there up to date: Streamlit calls this at each rerun and each
 * change of theme. Returns what takes it away.
 */
export async function mount(component) {
  const root = component.parentElement;
  let stage = stages.get(root);
  if (!stage) stages.set(root, (stage = new Stage(root)));
  const turn = (stage.turn = (stage.turn ?? 0) + 1);
  // The socket opens while the sheet is still on its way.
  stage.connect(component);
  const rules = await sheet;
  const owner = root instanceof ShadowRoot ? root : root.ownerDocument;
  if (!owner.adoptedStyleSheets.includes(rules)) owner.adoptedStyleSheets = [...owner.adoptedStyleSheets, rules];
  if (stage.turn === turn && stages.get(root) === stage) stage.update();
  return () => {
    // Streamlit may clean up after a call that a later one has overtaken: only the last one's word counts.
    if (stage.turn !== turn || stages.get(root) !== stage) return;
    stages.delete(root);
    stage.close();
  };
}
