// Markers drawn once and copied from then on: circle, diamond, cross, triangle, square, with a thin halo.

const stamps = new Map();

/**
 * A small picture with one marker in its middle; `radius` and the halo are device pixels. A bitmap and no canvas: a
 * canvas could change, so the browser takes a picture of it at every copy.
 */
export function stamp(shape, colour, radius, ratio = 1) {
  const key = `${shape} ${colour} ${radius} ${ratio}`;
  let picture = stamps.get(key);
  if (!picture) stamps.set(key, (picture = make(shape, colour, radius, ratio)));
  return picture;
}

function make(shape, colour, radius, ratio) {
  const side = 2 * Math.ceil(radius + 1.5 * ratio) + 1;
  const canvas = new OffscreenCanvas(side, side);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.translate(canvas.width / 2, canvas.height / 2);
  const outline = path(shape, radius);
  pen.lineJoin = pen.lineCap = "round";
  // The halo parts the marker from a field of its own colour.
  const halo = isLight(colour) ? "rgba(0,0,0,0.75)" : "rgba(255,255,255,0.85)";
  if (shape === "cross") {
    pen.strokeStyle = halo;
    pen.lineWidth = 3.6 * ratio;
    pen.stroke(outline);
    pen.strokeStyle = colour;
    pen.lineWidth = 2 * ratio;
    pen.stroke(outline);
  } else {
    pen.strokeStyle = halo;
    pen.lineWidth = 1.6 * ratio;
    pen.stroke(outline);
    pen.fillStyle = colour;
    pen.fill(outline);
  }
  return canvas.transferToImageBitmap();
}

function path(shape, r) {
  const outline = new Path2D();
  const polygon = (...corners) => {
    corners.forEach(([x, y], i) => (i ? outline.lineTo(x, y) : outline.moveTo(x, y)));
    outline.closePath();
  };
  if (shape === "circle") outline.arc(0, 0, r, 0, 2 * Math.PI);
  else if (shape === "diamond") polygon([0, -1.25 * r], [1.25 * r, 0], [0, 1.25 * r], [-1.25 * r, 0]);
  else if (shape === "triangle") polygon([0, -1.2 * r], [1.1 * r, 0.9 * r], [-1.1 * r, 0.9 * r]);
  else if (shape === "square") polygon([-r, -r], [r, -r], [r, r], [-r, r]);
  else {
    outline.moveTo(-r, -r);
    outline.lineTo(r, r);
    outline.moveTo(r, -r);
    outline.lineTo(-r, r);
  }
  return outline;
}

/** Whether a #rrggbb colour is one of the light ones that a dark theme uses. */
function isLight(colour) {
  const value = parseInt(colour.slice(1), 16);
  return 0.299 * (value >> 16) + 0.587 * ((value >> 8) & 255) + 0.114 * (value & 255) > 140;
}
