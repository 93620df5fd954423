"""Emoji in seven drawing styles: about 1,630 concepts with group, English and Spanish name, 64 × 64 pixels or
32 × 32, with opacity.

Made by `python -m assets.build.emoji`, which names sources and licences; `emoji_index().styles` repeats them.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parents[2] / "assets" / "data" / "emoji"
GROUPS = (
    "smileys_emotion", "people_body", "animals_nature", "food_drink", "travel_places", "activities", "objects",
    "symbols", "flags",
)  # fmt: skip
STYLES = ("noto", "twemoji", "openmoji", "fluent_flat", "fxemoji", "emojione", "noto_v1")


@dataclass(frozen=True)
class Style:
    """A set of drawings: its id, name and author, and the licence that whoever shows them must honour."""

    id: str
    name: str
    author: str
    source: str
    licence: str  # SPDX, such as "CC-BY-4.0"
    licence_url: str
    package: str


@dataclass(frozen=True)
class Concept:
    """What an emoji stands for: an id such as "red_apple", the character, its group, its names, who draws it."""

    id: str
    emoji: str
    group: str
    en: str
    es: str
    styles: tuple[str, ...]


@dataclass(frozen=True)
class EmojiIndex:
    """All styles and concepts, in the order of STYLES and of Unicode's own list."""

    styles: tuple[Style, ...]
    concepts: tuple[Concept, ...]


@dataclass(frozen=True)
class EmojiPictures:
    """pixels: uint8 (N, size, size, 4), RGB and opacity; concepts and styles: what and whose each picture is."""

    pixels: np.ndarray
    concepts: tuple[Concept, ...]
    styles: tuple[str, ...]


@cache
def emoji_index() -> EmojiIndex:
    """Styles and concepts, without pictures."""
    found = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    concepts = tuple(Concept(**entry | {"styles": tuple(entry["styles"])}) for entry in found["concepts"])
    return EmojiIndex(tuple(Style(**entry) for entry in found["styles"]), concepts)


def emoji_pictures(size: int = 64, group: str | None = None, style: str | None = None) -> EmojiPictures:
    """The pictures of one group or of all, in one style or in all, style by style, of 64 or 32 pixels a side.

    Raises ValueError for another size, group or style.
    """
    _check("size", size, (32, 64))
    _check("group", group, (None, *GROUPS))
    _check("style", style, (None, *STYLES))
    parts = []
    for one_style in STYLES if style is None else (style,):
        for one_group in GROUPS if group is None else (group,):
            members = [c for c in emoji_index().concepts if c.group == one_group and one_style in c.styles]
            parts += [(one_style, one_group, members)] if members else []
    pixels = np.empty((sum(len(members) for *_, members in parts), size, size, 4), np.uint8)
    done = 0
    for one_style, one_group, members in parts:
        tiles = _tiles(FOLDER / one_style / f"{one_group}_{size}.png", size)
        pixels[done : done + len(members)] = tiles[: len(members)]  # the last row need not be full
        done += len(members)
    concepts = tuple(concept for *_, members in parts for concept in members)
    return EmojiPictures(pixels, concepts, tuple(one_style for one_style, _, members in parts for _ in members))


def on_white(pixels: np.ndarray) -> np.ndarray:
    """Pictures with opacity, uint8 (..., 4), laid on white paper: uint8 (..., 3)."""
    opacity = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _tiles(path: Path, size: int) -> np.ndarray:
    """A mosaic cut up, row by row: uint8 (N, size, size, 4)."""
    with Image.open(path) as picture:
        mosaic = np.asarray(picture.convert("RGBA"))
    rows, columns = mosaic.shape[0] // size, mosaic.shape[1] // size
    return mosaic.reshape(rows, size, columns, size, 4).swapaxes(1, 2).reshape(-1, size, size, 4)


def _check(name: str, value: object, allowed: tuple) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; it may be one of {', '.join(map(str, allowed))}")
