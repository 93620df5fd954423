"""A frame comes out of its bytes as it went in, aligned, and compressed without loss."""

import dataclasses
import json
import struct

import numpy as np
import pytest

from shared.live import wire
from shared.live.experiment import (
    Bars,
    Curves,
    Frame,
    Grid,
    Heatmap,
    Histogram,
    Images,
    Links,
    Plane,
    Sketch,
    Tokens,
    View,
)

draw = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return draw.normal(size=shape).astype(np.float32)


def pixels(*shape: int) -> np.ndarray:
    return draw.integers(0, 256, shape, dtype=np.uint8)


VIEWS: dict[str, View] = {
    "grey": Images(pixels(3, 5, 7), columns=2, labels=("a", "b", "ñ"), selectable=True, selected=(1,)),
    "colour": Images(pixels(2, 4, 3, 3)),
    "plane": Plane(
        bounds=(-1, 1, -2, 2),
        points={"real": floats(5, 2), "generated": floats(3, 2)},
        field=floats(3, 5),
        arrows=floats(3, 4),
        mesh=floats(2, 3, 2),
        drawable=True,
    ),
    "bare": Plane(bounds=(0, 1, 0, 1)),
    "heatmap": Heatmap(floats(3, 3), rows=("x", "y", "z"), selectable=True, selected=(1, 2)),
    "links": Links(("a", "␣gato"), np.array([[0, 0], [1, 0]], np.int32), floats(2), first=7, selected=(1, 0)),
    "curves": Curves({"loss": floats(4, 2), "nothing": floats(0, 2)}, levels={"best": 0.5}, log=True),
    "grid": Grid(
        pixels(2, 3),
        ("empty", "wall"),
        floats(2, 3),
        actions=floats(2, 3, 4),
        pieces={"agent": 4},
        trail=np.array([0, 1, 4], np.int32),
        backup=(1, 2, 4),
        brushes=("empty", "wall"),
    ),
    "bars": Bars(floats(3), ("a", "b", "c"), selectable=True),
    "tokens": Tokens(("¿", "Qué", "\n"), floats(3), selectable=True, selected=(2,)),
    "kinds": Tokens(("<|im_start|>", "user"), floats(2), kinds=("marks", "user")),
    "sketch": Sketch(
        (-1, 1, -2, 2),
        floats(5, 2),
        np.array([4, 5], np.int32),
        np.array([0, 0.5], np.float32),
        np.array([0, 1], np.int32),
        floats(2),
        ("cart", "pole"),
        keys=("left", "right"),
    ),
    "histogram": Histogram(floats(4), {"real": floats(3)}, marks={"low": 0.5}),
}


def rebuilt(message: bytes, name: str) -> dict[str, object]:
    """A view's fields as a browser finds them: arrays in the place of their numbers."""
    arrays = wire.arrays_of(message)

    def fill(value: object) -> object:
        if isinstance(value, dict):
            return arrays[value["$"]] if value.keys() == {"$"} else {key: fill(item) for key, item in value.items()}
        return value

    return {key: fill(value) for key, value in wire.header_of(message)["views"][name].items()}


def same(found: object, sent: object) -> bool:
    if isinstance(sent, np.ndarray):
        return isinstance(found, np.ndarray) and found.dtype == sent.dtype and np.array_equal(found, sent)
    if isinstance(sent, dict):
        return isinstance(found, dict) and list(found) == list(sent) and all(same(found[k], sent[k]) for k in sent)
    return found == (list(sent) if isinstance(sent, tuple) else sent)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_view_comes_out_as_it_went_in(name: str, packed: bool) -> None:
    message = wire.encode(Frame({"a": 1.0}, VIEWS))
    found = rebuilt(wire.compress(message) if packed else message, name)
    assert found.pop("kind") == VIEWS[name].kind
    assert found.keys() == {field.name for field in dataclasses.fields(VIEWS[name])}
    for field, value in found.items():
        assert same(value, getattr(VIEWS[name], field)), field


@pytest.mark.parametrize("packed", [False, True])
def test_buffers_lie_at_multiples_of_eight(packed: bool) -> None:
    for extra in range(9):  # whatever the header's length
        message = wire.encode(Frame({"m" * (1 + extra): 1.0}, VIEWS))
        message = wire.compress(message) if packed else message
        (size,) = struct.unpack_from("<I", message)
        assert (4 + size) % 8 == 0
        end = 0
        for entry in wire.header_of(message)["arrays"]:
            assert entry["offset"] % 8 == 0
            assert entry["offset"] >= end
            end = entry["offset"] + entry["bytes"]
        assert 4 + size + end <= len(message) < 4 + size + end + 8


def test_the_header_tells_step_phase_and_metrics() -> None:
    header = wire.header_of(wire.encode(Frame({"loss": np.float32(0.5), "count": 3}, {}, step=12, phase="sample")))
    assert (header["type"], header["step"], header["phase"]) == ("frame", 12, "sample")
    assert header["metrics"] == {"loss": 0.5, "count": 3}


def test_compress_makes_flat_pictures_small_and_keeps_every_pixel() -> None:
    grey, colour = np.zeros((20, 28, 28), np.uint8), np.zeros((10, 32, 32, 3), np.uint8)
    grey[3, 4, 5], colour[1, 2, 3] = 255, (1, 2, 3)
    message = wire.encode(Frame({}, {"grey": Images(grey), "colour": Images(colour)}))
    packed = wire.compress(message)
    assert len(packed) < len(message) / 4
    assert [entry["encoding"] for entry in wire.header_of(packed)["arrays"]] == ["webp", "webp"]
    assert all(map(np.array_equal, wire.arrays_of(packed), [grey, colour]))


def test_noise_that_would_grow_stays_raw() -> None:
    packed = wire.compress(wire.encode(Frame({}, {"noise": Images(pixels(1, 3, 3))})))
    assert wire.header_of(packed)["arrays"][0]["encoding"] == "raw"


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 4, 0), (600, 28, 28), (1, 2, 17000), (2, 4, 4, 4)])
def test_compress_leaves_alone_what_no_picture_format_takes(shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, np.uint8)
    (found,) = wire.arrays_of(wire.compress(wire.encode(Frame({}, {"odd": Images(array)}))))
    assert np.array_equal(found, array)
    assert found.shape == shape


def test_float64_is_sent_as_float32() -> None:
    values = np.array([1.0, 1e-3, np.pi])
    (found,) = wire.arrays_of(wire.encode(Frame({}, {"bars": Bars(values, ("a", "b", "c"))})))
    assert found.dtype == np.float32
    assert np.array_equal(found, values.astype(np.float32))


def test_any_memory_layout_is_sent_row_by_row() -> None:
    values = floats(4, 6)[::2, ::3].T
    (found,) = wire.arrays_of(wire.encode(Frame({}, {"heatmap": Heatmap(values)})))
    assert np.array_equal(found, values)


@pytest.mark.parametrize("dtype", ["int64", "bool", "float16", "complex64", "<U3"])
def test_an_array_of_another_type_is_named(dtype: str) -> None:
    with pytest.raises(TypeError, match=f"float32 arrays, not {np.zeros(1, dtype).dtype.name}"):
        wire.encode(Frame({}, {"bars": Bars(np.zeros(1, dtype), ("a",))}))


def test_the_header_is_json_that_a_browser_reads() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.encode(Frame({}, {"curves": Curves({}, levels={"best": float("nan")})}))
    message = wire.encode(Frame({}, VIEWS))
    (size,) = struct.unpack_from("<I", message)
    json.loads(message[4 : 4 + size], parse_constant=pytest.fail)
