// Draws frames as they come, at most one a screen refresh, and asks for the next when one is drawn.

import { decode } from "./wire.js";

const CALM = 250; // ms between frames for those who asked for less motion, and for a stage out of sight

export class Projector {
  /** `on` = {draw(frame), acknowledge(), latency(ms), calm()}. */
  constructor(on) {
    this.on = on;
    this.started = new Map(); // operation id → when the person acted
    this.answer = null; // the operation that the next frame to arrive shows
    this.next = null; // the frame to draw, {frame, answer}
    this.owed = false; // whether the server waits to hear of it
    this.last = -Infinity;
    this.hidden = () => document.hidden && this.next && this.settle();
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
    try {
      let frame = decode(buffer);
      if (frame instanceof Promise) frame = await frame;
      if (this.closed) return;
      this.next = { frame, answer: answer ?? this.next?.answer ?? null };
    } catch (error) {
      console.warn("stage: a frame could not be read:", error);
      return this.on.acknowledge();
    }
    this.owed = true;
    if (document.hidden) setTimeout(() => this.settle(), CALM);
    this.schedule();
  }

  schedule() {
    if (this.ticket) return;
    this.ticket = requestAnimationFrame((now) => {
      this.ticket = 0;
      const wait = this.on.calm() && this.next?.answer === null ? CALM - (now - this.last) : 0;
      if (wait > 0) this.timer ??= setTimeout(() => ((this.timer = null), this.schedule()), wait);
      else this.draw(now);
    });
  }

  draw(now) {
    if (!this.next) return;
    const { frame, answer } = this.next;
    this.next = null;
    this.last = now;
    try {
      this.on.draw(frame);
    } catch (error) {
      console.error("stage: a frame was not drawn:", error);
    }
    if (answer !== null) this.measure(answer);
    this.settle();
  }

  measure(answer) {
    const started = this.started.get(answer);
    if (started !== undefined) this.on.latency(performance.now() - started);
    for (const id of this.started.keys()) if (id <= answer) this.started.delete(id);
  }

  /** Tell the server, once a frame, that the next may come. */
  settle() {
    if (this.owed) this.on.acknowledge();
    this.owed = false;
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.ticket);
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.hidden);
    this.next = null;
  }
}
