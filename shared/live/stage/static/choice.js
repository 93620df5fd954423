// The keyboard's way to choose in a picture: a list box that is heard but not seen, of one option at a time.

import { h, mark, write } from "./dom.js";

export class Choice {
  /** On `element`, at place `at` first. Enter calls `choose(i)`; `redraw` is called when the keyboard moves, comes or goes. */
  constructor(element, at, choose, redraw) {
    Object.assign(this, { at, choose, redraw });
    this.option = h("div", { role: "option" });
    this.list = h("div", { role: "listbox", tabindex: "0", class: "options" }, this.option);
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    for (const kind of ["focus", "blur"]) this.list.addEventListener(kind, redraw);
    element.append(this.list);
  }

  /** What may be chosen now, and what is. Returns the place where the keyboard stands, -1 where it stands elsewhere. */
  update(context, names, selected) {
    this.count = names.length;
    this.at = Math.max(0, Math.min(this.at, this.count - 1));
    this.option.id = `${context.view}-option`;
    mark(this.list, "aria-label", context.title);
    mark(this.list, "aria-activedescendant", this.option.id);
    mark(this.option, "aria-setsize", this.count);
    mark(this.option, "aria-posinset", this.at + 1);
    mark(this.option, "aria-selected", selected.includes(this.at));
    write(this.option, names[this.at] ?? "");
    return this.list.matches(":focus-visible") ? this.at : -1;
  }

  pressed(event) {
    const way = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!way && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (way) this.at = Math.max(0, Math.min(this.at + way, this.count - 1));
    else if (this.count) this.choose(this.at);
    this.redraw();
  }
}
