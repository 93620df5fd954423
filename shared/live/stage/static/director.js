// One stage on the page: it holds the parts together, and passes on what the server and the person say.

import { Actions, GROUP } from "./actions.js";
import { keepAddress, leaveAddress } from "./address.js";
import { Controls } from "./controls.js";
import { h, mark, write } from "./dom.js";
import { Figure } from "./figure.js";
import { ignore, Keys, listen } from "./keys.js";
import { Knobs } from "./knobs.js";
import { Messages } from "./messages.js";
import { Metrics } from "./metrics.js";
import { number, short, tickTexts } from "./numbers.js";
import { readTheme } from "./palette.js";
import { Phases } from "./phases.js";
import { Projector } from "./projector.js";
import { Connection } from "./socket.js";
import { Tooltip } from "./surface.js";

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Stage {
  constructor(parent) {
    this.parent = parent;
    this.actions = new Actions(this);
    this.figures = new Map();
    this.status = null;
    this.lookingBack = null; // the step looked back at; null = the present
    this.shownStep = null;
    this.frames = 0;
    this.inSight = true;
    this.timed = -Infinity;
  }

  // -- what Streamlit says ------------------------------------------------------------------------------

  /** New data from the script. Another token is another run: its socket is opened; the last picture stays. */
  connect(component) {
    const before = this.data;
    this.data = component.data;
    this.trigger = component.setTriggerValue;
    if (before?.token === this.data.token) return;
    this.letGo();
    this.connection?.close();
    this.projector?.close();
    this.status = null;
    this.lookingBack = null;
    this.started = false;
    this.refused = this.heard = null;
    this.projector = new Projector({
      draw: (frame) => this.draw(frame),
      acknowledge: () => connection.acknowledge(),
      latency: (ms) => mark(this.root, "data-latency-ms", ms.toFixed(1)),
      calm: () => this.calm(),
    });
    const { projector } = this;
    const connection = new Connection(this.data.socket, {
      open: () => this.connected(true),
      lost: () => this.connected(false),
      refused: () => this.refuse(),
      text: (message) => this.hear(message),
      bytes: (buffer) => projector.show(buffer),
    });
    this.connection = connection;
    if (this.root) this.showState();
  }

  /** Bring the page in line with the data; the first time, build it. */
  update() {
    const first = !this.root;
    if (first) this.build();
    const { data } = this;
    mark(this.root, "data-experiment", data.experiment);
    mark(this.root, "aria-label", data.title || data.experiment);
    mark(this.root, "lang", data.language);
    mark(this.root, "data-share", data.share);
    this.lecture();
    this.retheme();
    const signature = JSON.stringify([data.words, data.knobs, data.metrics, data.phases, data.speeds, data.remedies, data.layout, data.views, data.lecture, data.share, this.role]);
    if (signature !== this.signature) {
      this.signature = signature;
      for (const part of [this.controls, this.knobs, this.metrics, this.phases, this.keys]) part.update();
      this.knobs.enable(this.role === "owner");
      this.arrange();
    }
    this.showState();
    if (first && this.frame) this.draw(this.frame);
  }

  build() {
    this.title = h("h2", { class: "title" });
    this.caption = h("p", { class: "caption" });
    this.pane = h("p", { class: "pane", hidden: true });
    this.controls = new Controls(this);
    this.messages = new Messages(this);
    this.metrics = new Metrics(this);
    this.phases = new Phases(this);
    this.knobs = new Knobs(this);
    this.keys = new Keys(this);
    this.views = h("div", { class: "views" });
    const tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.tooltip = new Tooltip(tip);
    this.body = h("div", { class: "body" }, this.views, this.knobs.element);
    const head = h("header", { class: "billing" }, this.title, this.caption);
    const parts = [head, this.pane, this.controls, this.phases, this.messages, this.metrics].map((part) => part.element ?? part);
    const states = { "data-testid": "stage", "data-state": "loading", "data-step": 0, "data-frames": 0, "data-latency-ms": "" };
    this.root = h("section", { class: "stage", ...states }, ...parts, this.body, this.keys.dialog, tip);
    this.parent.append(this.root);
    this.sight = new IntersectionObserver(([entry]) => (this.inSight = entry.isIntersecting));
    this.sight.observe(this.root);
    this.join = ({ detail }) => this.data.group && detail.group === this.data.group && detail.from !== this && this.actions.send(detail.operation);
    window.addEventListener(GROUP, this.join);
    listen(this);
    // Open where there is room beside the views, shut where they would be pushed off the screen.
    if (this.root.clientWidth >= 900 && !this.data.lecture) this.knobs.element.open = true;
  }

  /** In lecture mode the stage covers the page. */
  lecture() {
    const { data, root } = this;
    const before = root.classList.contains("lecture");
    root.classList.toggle("lecture", Boolean(data.lecture));
    // Stages side by side share the screen.
    const [pane, panes] = data.panes ?? [0, 1];
    root.style.setProperty("--pane", pane);
    root.style.setProperty("--panes", panes);
    // The title stands once, over the first; the others leave its room, so that their pictures stand side by side.
    root.classList.toggle("paned", panes > 1);
    root.classList.toggle("follows", pane > 0);
    write(this.title, data.title ?? "");
    write(this.caption, data.caption ?? "");
    if (data.lecture && !before) {
      this.knobs.element.open = false;
      document.activeElement?.blur?.();
    }
  }

  /** The figures that the layout names, in its places. */
  arrange() {
    const { layout, views } = this.data;
    const names = [...new Set(this.rows(layout).flat().filter((name) => name !== "."))];
    const rows = this.rows(layout);
    this.views.style.setProperty("--areas", rows.map((row) => `"${row.join(" ")}"`).join(" "));
    this.views.style.setProperty("--columns", rows[0]?.length ?? 1);
    this.views.style.setProperty("--rows", rows.length);
    for (const [name, figure] of this.figures)
      if (!names.includes(name)) {
        figure.close();
        this.figures.delete(name);
      }
    for (const name of names) {
      let figure = this.figures.get(name);
      if (!figure) this.figures.set(name, (figure = new Figure(name, this.contextOf(name))));
      figure.rename(views[name] ?? { title: name });
    }
    this.views.replaceChildren(...names.map((name) => this.figures.get(name).element));
    if (this.frame) this.drawViews();
  }

  /** The layout's rows of names. A spare view that the frame lacks leaves its place to the one above it. */
  rows(layout) {
    const rows = layout.map((row) => row.trim().split(/\s+/));
    const lacking = (name) => this.lacking?.includes(name);
    rows.forEach((row, r) => row.forEach((name, c) => (row[c] = r && lacking(name) ? rows[r - 1][c] : name)));
    return rows.filter((row, r) => !r || row.join() !== rows[r - 1].join() || !layout[r].split(/\s+/).some(lacking));
  }

  /** What a draw function may know and do. */
  contextOf(view) {
    return {
      view,
      theme: this.theme,
      tooltip: this.tooltip,
      name: (id) => this.name(id),
      word: (section, key) => this.word(section, key),
      number: (value) => this.number(value),
      short: (value) => this.short(value),
      tickTexts: (values) => tickTexts(values, this.data.language),
      event: (event) => this.actions.send({ op: "event", event }),
      steers: () => this.role === "owner",
    };
  }

  retheme() {
    const theme = readTheme(this.root);
    if (JSON.stringify(theme) === JSON.stringify(this.theme)) return;
    this.theme = theme;
    this.root.style.setProperty("--on-primary", theme.onPrimary);
    this.root.classList.toggle("dark", theme.dark);
    for (const figure of this.figures.values()) {
      figure.context.theme = theme;
      figure.redraw();
    }
  }

  // -- words --------------------------------------------------------------------------------------------

  word(section, key) {
    return this.data.words[section]?.[key] ?? key;
  }

  name(id) {
    return this.data.words.names?.[id] ?? id;
  }

  number(value) {
    return number(value, this.data.language);
  }

  short(value) {
    return short(value, this.data.language);
  }

  get role() {
    return this.status?.role ?? this.data.role ?? "owner";
  }

  /** Fewer frames: for those who asked for less motion, and while nobody can see the stage. */
  calm() {
    return still.matches || !this.inSight;
  }

  // -- what the server says -----------------------------------------------------------------------------

  connected(on) {
    this.lost = !on;
    if (this.root) this.showState();
  }

  hear(message) {
    if (message.type === "status") this.take(message);
    else if (message.type === "answer") this.projector.answered(message.id);
    else if (message.type === "notice") {
      this.heard = message;
      if (this.root) this.messages.notice(message);
    }
  }

  /** The server closed for good; the notice before that says why, and stays. */
  refuse() {
    this.refused = this.heard ?? { code: "token_unknown" };
    if (this.root) this.showState();
  }

  take(status) {
    const before = this.status;
    this.status = status;
    if (!this.root) return;
    if (before?.role !== status.role) this.update();
    else this.showState();
    if (typeof this.data.url === "string" && this.role === "owner") keepAddress(this, this.data.url, status);
    this.autoplay();
  }

  /** A page that opens moves by itself, once. */
  autoplay() {
    const { data, status } = this;
    if (this.started || !this.root || !status || status.state === "loading") return;
    this.started = true;
    if (data.autoplay && !data.lecture && this.role === "owner" && status.state === "paused" && status.step === 0) this.actions.send({ op: "play" });
  }

  showState() {
    const { status, root } = this;
    const state = this.refused ? "failed" : (status?.state ?? "loading");
    const text = this.word("states", this.lost ? "lost" : state);
    if (root.dataset.state !== state || this.said !== text) this.messages.say((this.said = text));
    mark(root, "data-state", state);
    mark(root, "data-role", this.role);
    if (this.shownStep === null && status) mark(root, "data-step", status.step);
    const message = this.refused ?? status?.message;
    if (this.lost) this.messages.state(this.word("states", "lost"));
    else if (message) this.messages.state(this.messages.sentence(message), state === "failed");
    else this.messages.state(null);
    if (!status) return;
    this.controls.show(status);
    this.knobs.show(status.config);
    this.showPane(status.config);
    this.autoplay();
  }

  /** What tells this stage from the one beside it: the value of one of its knobs. */
  showPane(config) {
    const knob = this.data.knobs.find(({ name }) => name === this.data.told_by);
    this.pane.hidden = !knob;
    if (knob) write(this.pane, knob.choice_labels?.[config[knob.name]] ?? this.name(String(config[knob.name])));
  }

  drawViews() {
    for (const [name, view] of Object.entries(this.frame.views)) this.figures.get(name)?.draw(view);
  }

  draw(frame) {
    this.frame = frame;
    const lacking = (this.data.spare ?? []).filter((name) => !(name in frame.views));
    const changed = lacking.join() !== (this.lacking ?? []).join();
    this.lacking = lacking;
    if (!this.root) return; // the sheet is still on its way; drawn when it is here
    if (changed) this.arrange();
    else this.drawViews();
    this.metrics.show(frame.metrics);
    // Phases that go by faster than one can read are not named.
    const slow = this.status?.state !== "playing" || this.status.speed === "slow";
    this.phases.show(slow ? frame.phase : "");
    this.shownStep = frame.step;
    this.root.dataset.step = frame.step;
    this.root.dataset.frames = ++this.frames;
    if (performance.now() - this.timed > 100 || this.status?.state !== "playing") this.showTime();
  }

  showTime() {
    this.timed = performance.now();
    this.controls.showTime();
  }

  /** Keys that are held on a picture are let go before the run is left: nobody would ever let them go there. */
  letGo() {
    const focused = this.root?.getRootNode().activeElement;
    if (focused?.matches("canvas")) focused.blur();
  }

  close() {
    this.letGo();
    this.connection?.close();
    this.projector?.close();
    leaveAddress(this);
    if (!this.root) return;
    ignore(this);
    window.removeEventListener(GROUP, this.join);
    this.sight.disconnect();
    for (const figure of this.figures.values()) figure.close();
    this.root.remove();
  }
}
