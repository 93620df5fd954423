// Draws frames as they come, one a screen refresh, and asks for the next when one is drawn.

import { decode } from "./wire.js";

const CALM = 250; // ms between frames for those who asked for less motion, and for a stage out of sight

export class Projector {
  /** `on` = {draw(frame), acknowledge(), latency(ms), calm()}. */
  constructor(on) {
    this.on = on;
    this.started = new Map(); // operation id → when the person acted
    this.answer = null; // the operation that the next frame to arrive shows
    this.waiting = []; // frames to draw, {frame, answer}: no more than the server sends ahead
    this.owed = 0; // frames that the server waits to hear of
    this.last = -Infinity;
    this.hidden = () => document.hidden && this.skip();
    document.addEventListener("visibilitychange", this.hidden);
  }

  /** A person did something at `when`: the latency of operation `id` is counted from there. */
  acted(id, when) {
    if (this.started.size > 500) this.started.clear();
    this.started.set(id, when);
  }

  /** The server says that the next frame shows operation `id`, and so all before it. */
  answered(id) {
    this.answer = Math.max(id, this.answer ?? 0);
  }

  async show(buffer) {
    const answer = this.answer;
    this.answer = null;
    this.owed += 1;
    try {
      let frame = decode(buffer);
      if (frame instanceof Promise) frame = await frame;
      if (this.closed) return;
      this.waiting.push({ frame, answer });
    } catch (error) {
      console.warn("stage: a frame could not be read:", error);
      return this.settle(1);
    }
    // Frames come unevenly, and are shown evenly; but who waits for an answer sees it with the next refresh.
    if (answer !== null || this.on.calm()) this.skip();
    if (document.hidden) setTimeout(() => this.skip(), CALM);
    this.schedule();
  }

  /** Let all frames go but the newest, and while nobody can see the page, ask for the next instead of drawing. */
  skip() {
    const newest = this.waiting.at(-1);
    if (!newest) return;
    newest.answer = this.waiting.findLast(({ answer }) => answer !== null)?.answer ?? null;
    this.settle(this.waiting.splice(0, this.waiting.length - 1).length);
    if (document.hidden) this.settle(this.owed);
  }

  schedule() {
    if (this.ticket) return;
    this.ticket = requestAnimationFrame((now) => {
      this.ticket = 0;
      const wait = this.on.calm() && this.waiting[0]?.answer === null ? CALM - (now - this.last) : 0;
      if (wait > 0) this.timer ??= setTimeout(() => ((this.timer = null), this.schedule()), wait);
      else this.draw(now);
    });
  }

  draw(now) {
    if (!this.waiting.length) return;
    const { frame, answer } = this.waiting.shift();
    this.last = now;
    try {
      this.on.draw(frame);
    } catch (error) {
      console.error("stage: a frame was not drawn:", error);
    }
    if (answer !== null) this.measure(answer);
    this.settle(1);
    if (this.waiting.length) this.schedule();
  }

  measure(answer) {
    const started = this.started.get(answer);
    if (started !== undefined) this.on.latency(performance.now() - started);
    for (const id of this.started.keys()) if (id <= answer) this.started.delete(id);
  }

  /** Tell the server of `count` frames more that it may send others for; of each but once. */
  settle(count) {
    for (; count > 0 && this.owed > 0; count--, this.owed--) this.on.acknowledge();
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.ticket);
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.hidden);
    this.waiting = [];
  }
}
