// A canvas that knows its size in device pixels, answers the pointer, and keeps its last picture until the next.

const LARGEST = 2.4e6; // pixels; beyond that a software renderer spends the frame on filling

const surfaces = new WeakMap();

/** The surface of a view's element, made at first use. `redraw` draws the last view again, after a resize. */
export function surfaceOf(element) {
  let surface = surfaces.get(element);
  if (!surface) surfaces.set(element, (surface = new Surface(element)));
  return surface;
}

class Surface {
  constructor(element) {
    this.element = element;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.pen = this.canvas.getContext("2d", { alpha: false });
    this.box = element.getBoundingClientRect();
    this.width = this.height = this.ratio = 0;
    element.append(this.canvas);
    this.observer = new ResizeObserver(([entry]) => {
      this.box = entry.contentRect;
      // Drawn in the same turn as the new size: a canvas is blank as soon as its size is set.
      if (this.repaint && this.stale()) this.repaint();
    });
    this.observer.observe(element);
  }

  /** Width, height and device pixel ratio that the element asks for now. */
  wanted() {
    let ratio = window.devicePixelRatio || 1;
    const area = this.box.width * this.box.height * ratio * ratio;
    if (area > LARGEST) ratio *= Math.sqrt(LARGEST / area);
    return [Math.max(1, Math.round(this.box.width * ratio)), Math.max(1, Math.round(this.box.height * ratio)), ratio];
  }

  stale() {
    const [width, height] = this.wanted();
    return width !== this.width || height !== this.height;
  }

  /** Size the canvas if need be, paint the ground, and return the pen; all lengths are device pixels from here on. */
  begin(context, repaint) {
    const [width, height, ratio] = this.wanted();
    if (width !== this.width || height !== this.height) {
      this.canvas.width = this.width = width;
      this.canvas.height = this.height = height;
    }
    this.ratio = ratio;
    this.repaint = repaint;
    this.pen.fillStyle = context.theme.background;
    this.pen.fillRect(0, 0, width, height);
    return this.pen;
  }

  /** Where a pointer event lies, in device pixels of the canvas. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.width, ((event.clientY - box.top) / box.height) * this.height];
  }

  /** Show lines of text beside the pointer: `read(x, y)` returns them for a device pixel, or null. */
  hover(context, read) {
    this.read = read;
    if (!this.listening) {
      this.listening = true;
      this.canvas.addEventListener("pointermove", (event) => {
        this.pointer = event;
        this.tell(context);
      });
      for (const kind of ["pointerleave", "pointercancel"])
        this.canvas.addEventListener(kind, () => {
          this.pointer = null;
          context.tooltip.hide();
        });
    }
    // The picture moves under a pointer that rests: what it shows there is told anew.
    if (this.pointer) this.tell(context);
  }

  tell(context) {
    const lines = this.read(...this.place(this.pointer));
    if (lines) context.tooltip.show(lines, this.pointer.clientX, this.pointer.clientY);
    else context.tooltip.hide();
  }

  /** Say in words what the picture shows; at most once a second, since it changes with each frame. */
  describe(text) {
    const now = performance.now();
    if (this.said && (now - this.saidAt < 1000 || this.said === text)) return;
    this.said = text;
    this.saidAt = now;
    this.canvas.setAttribute("aria-label", text);
  }
}

/** The line of text that shows exact values beside the pointer; one for a whole stage. */
export class Tooltip {
  constructor(element) {
    this.element = element;
    this.shown = "";
  }

  show(lines, x, y) {
    const text = lines.join("\n");
    if (text !== this.shown) {
      this.element.textContent = this.shown = text;
      this.size = null;
    }
    this.element.hidden = false;
    this.size ??= [this.element.offsetWidth, this.element.offsetHeight];
    const left = x + 14 + this.size[0] > innerWidth ? x - 10 - this.size[0] : x + 14;
    const top = y + 14 + this.size[1] > innerHeight ? y - 10 - this.size[1] : y + 14;
    this.element.style.translate = `${Math.max(0, left)}px ${Math.max(0, top)}px`;
  }

  hide() {
    this.element.hidden = true;
  }
}
