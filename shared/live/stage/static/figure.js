// The frame around one view: its title, its key, and the file that draws its kind.

import * as bars from "./bars.js";
import * as curves from "./curves.js";
import * as grid from "./grid.js";
import * as heatmap from "./heatmap.js";
import * as histogram from "./histogram.js";
import * as images from "./images.js";
import * as links from "./links.js";
import * as plane from "./plane.js";
import * as sketch from "./sketch.js";
import * as tokens from "./tokens.js";
import { h, mark, write } from "./dom.js";

const KINDS = { bars, curves, grid, heatmap, histogram, images, links, plane, sketch, tokens };

export class Figure {
  /** A view's place on the stage. `context` is what its draw function is given; see Stage.contextOf. */
  constructor(name, context) {
    this.name = name;
    this.context = context;
    this.title = h("span", { class: "name" });
    this.about = h("span", { class: "about" });
    context.legend = h("ul", { class: "legend" });
    context.tools = h("span", { class: "tools" });
    this.body = h("div", { class: "picture" });
    const caption = h("figcaption", {}, h("span", { class: "title" }, this.title, this.about), context.legend);
    this.element = h("figure", { class: "view", "data-view": name }, caption, this.body, context.tools);
    this.element.style.setProperty("--area", name);
    this.visible = true;
    this.sight = new IntersectionObserver(
      (entries) => {
        this.visible = entries.at(-1).isIntersecting;
        if (this.visible && this.stale) this.draw(this.last);
      },
      { rootMargin: "200px" },
    );
    this.sight.observe(this.element);
  }

  /** New words, in another language perhaps. */
  rename({ title, description }) {
    this.usual = title;
    write(this.about, description ?? "");
    this.head(this.last);
  }

  /** The heading: the view's own where it brings one. */
  head(view) {
    this.context.title = view?.title ? this.context.name(view.title) : this.usual;
    write(this.title, this.context.title);
  }

  /** Draw the view; below the fold, only once and again when it comes into sight. */
  draw(view) {
    const kind = KINDS[view.kind];
    if (!kind) return;
    this.stale = !this.visible && view.kind === this.kind;
    if (this.stale) {
      this.last = view;
      return;
    }
    if (view.kind !== this.kind) {
      this.kind = view.kind;
      mark(this.element, "data-kind", view.kind);
      // A fresh element: what the other kind has drawn, and what it keeps for its element, goes with the old one.
      const body = h("div", { class: "picture" });
      this.body.replaceWith(body);
      this.body = body;
      this.context.tools.replaceChildren();
    }
    this.last = view;
    this.head(view);
    kind.draw(this.body, view, this.context);
  }

  redraw() {
    if (this.last) this.draw(this.last);
  }

  close() {
    this.sight.disconnect();
    this.element.remove();
  }
}
