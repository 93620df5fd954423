"""How a frame travels: a JSON header that names every array, then the arrays' bytes.

    uint32 little-endian: length of the header in bytes
    header: JSON, UTF-8, padded with spaces so that the buffers start at a multiple of 8
    buffers: each at a multiple of 8 from the first one's start

The header:
    {"type": "frame", "step": 12, "phase": "", "metrics": {name: number},
     "views": {name: {"kind": "plane", "points": {"real": {"$": 0}}, "bounds": [...], ...}},
     "arrays": [{"dtype": "float32", "shape": [512, 2], "offset": 0, "bytes": 4096, "encoding": "raw"}, ...]}
An array stands in its view as {"$": index into "arrays"}. `encoding` is "raw", or "png"/"webp" for a uint8
picture grid (N, H, W[, 3]) sent as one tall picture, (N·H, W), to a remote viewer.
"""

import dataclasses
import io
import json
import math
import struct
from typing import Any

import numpy as np

from shared.live.experiment import Frame

DTYPES = {np.dtype(name): name for name in ("uint8", "int32", "float32")}
WEBP_SIDE = 16_383  # pixels, the most that the format allows


def encode(frame: Frame) -> bytes:
    """A frame's bytes, arrays raw. Raises TypeError for an array of another type than uint8, int32, float32."""
    arrays: list[np.ndarray] = []
    views = {
        name: {"kind": view.kind} | {f.name: _plain(getattr(view, f.name), arrays) for f in dataclasses.fields(view)}
        for name, view in frame.views.items()
    }
    metrics = {name: float(value) for name, value in frame.metrics.items()}
    header = {"type": "frame", "step": frame.step, "phase": frame.phase, "metrics": metrics, "views": views}
    return _pack(header, [(DTYPES[array.dtype], array.shape, "raw", array.tobytes()) for array in arrays])


def _plain(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` with each array replaced by its place in `arrays`."""
    if isinstance(value, np.ndarray):
        array = value.astype(np.float32) if value.dtype == np.float64 else value
        if array.dtype not in DTYPES:
            raise TypeError(f"a view holds {', '.join(DTYPES.values())} arrays, not {array.dtype.name}")
        arrays.append(array)
        return {"$": len(arrays) - 1}
    if isinstance(value, dict):
        return {key: _plain(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if isinstance(item, str | float) else _plain(item, arrays) for item in value]
    return value


def _pack(header: dict[str, Any], buffers: list[tuple[str, tuple[int, ...], str, bytes]]) -> bytes:
    """Header and (dtype, shape, encoding, bytes) buffers as one message."""
    offset, described = 0, []
    for dtype, shape, encoding, data in buffers:
        size = len(data)
        described.append({"dtype": dtype, "shape": shape, "offset": offset, "bytes": size, "encoding": encoding})
        offset += _up_to_8(size)
    text = json.dumps(header | {"arrays": described}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (_up_to_8(4 + len(text)) - 4 - len(text))
    parts = [struct.pack("<I", len(text)), text]
    for _, _, _, data in buffers:
        parts.append(data)
        parts.append(b"\0" * (_up_to_8(len(data)) - len(data)))
    return b"".join(parts)


def _up_to_8(size: int) -> int:
    return (size + 7) & ~7


def header_of(message: bytes) -> dict[str, Any]:
    """The header alone."""
    (size,) = struct.unpack_from("<I", message)
    return json.loads(message[4 : 4 + size])


def arrays_of(message: bytes) -> list[np.ndarray]:
    """The arrays, decoded, as read-only views of `message` where they are raw."""
    (size,) = struct.unpack_from("<I", message)
    found = []
    for entry in header_of(message)["arrays"]:
        start = 4 + size + entry["offset"]
        if entry["encoding"] == "raw":
            count = math.prod(entry["shape"])
            array = np.frombuffer(message, np.dtype(entry["dtype"]), count, start)
        else:
            from PIL import Image

            picture = Image.open(io.BytesIO(message[start : start + entry["bytes"]]))
            array = np.asarray(picture.convert("L" if len(entry["shape"]) == 3 else "RGB"))
        found.append(array.reshape(entry["shape"]))
    return found


def compress(message: bytes) -> bytes:
    """The same frame with its picture grids as lossless WebP where that is smaller: for a remote viewer."""
    from PIL import Image

    header = header_of(message)
    buffers = []
    for entry, array in zip(header.pop("arrays"), arrays_of(message), strict=True):
        data, encoding = array.tobytes(), "raw"
        picture = array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)
        sides = (array.shape[0] * array.shape[1], array.shape[2]) if picture else (0,)
        if entry["dtype"] == "uint8" and min(sides) > 0 and max(sides) <= WEBP_SIDE:
            tall = array.reshape(array.shape[0] * array.shape[1], *array.shape[2:])
            packed = io.BytesIO()
            Image.fromarray(tall).save(packed, "webp", lossless=True, method=0)
            if len(packed.getvalue()) < len(data):
                data, encoding = packed.getvalue(), "webp"
        buffers.append((entry["dtype"], tuple(entry["shape"]), encoding, data))
    return _pack(header, buffers)
