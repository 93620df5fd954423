// Reads a frame from its bytes, as shared/live/wire.py writes them: a JSON header, then the arrays' buffers.

const TYPES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };
const text = new TextDecoder();

/**
 * The frame {step, phase, metrics, views}; each array of a view is {shape, data}, its data a view of `buffer`.
 * A promise of it where a picture has to be decompressed, which browsers only do asynchronously.
 */
export function decode(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const frame = JSON.parse(text.decode(new Uint8Array(buffer, 4, size)));
  const arrays = frame.arrays.map((entry) => readArray(entry, buffer, 4 + size + entry.offset));
  if (arrays.some((array) => array instanceof Promise)) return Promise.all(arrays).then((all) => fillViews(frame, all));
  return fillViews(frame, arrays);
}

function readArray({ dtype, shape, bytes, encoding }, buffer, start) {
  if (encoding !== "raw") return decompress(new Uint8Array(buffer, start, bytes), encoding, shape);
  const type = TYPES[dtype];
  return { shape, data: new type(buffer, start, bytes / type.BYTES_PER_ELEMENT) };
}

/** A compressed grid (N·H, W) as red, green, blue, alpha bytes; `rgba` tells the images view so. */
async function decompress(bytes, encoding, shape) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const picture = await createImageBitmap(new Blob([bytes], { type: `image/${encoding}` }), options);
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  picture.close();
  return { shape, data: pen.getImageData(0, 0, canvas.width, canvas.height).data, rgba: true };
}

function fillViews(frame, arrays) {
  const place = (value) => {
    if (Array.isArray(value) || value === null || typeof value !== "object") return value;
    if ("$" in value) return arrays[value.$];
    for (const key of Object.keys(value)) value[key] = place(value[key]);
    return value;
  };
  for (const name of Object.keys(frame.views)) place(frame.views[name]);
  delete frame.arrays;
  return frame;
}
