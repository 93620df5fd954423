"""Render the shipped emoji set: some 1,630 concepts in up to seven drawing styles, 64 × 64 pixels with transparency.

    pip install resvg-py
    python -m assets.build.emoji [--packages FOLDER]

Drawings come from the npm packages @iconify-json/*, names and groups from emojibase-data; `npm pack` fetches them
into FOLDER (a temporary one by default), those already there are used as they are.
"""

import argparse
import io
import json
import re
import subprocess
import tarfile
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from assets.build.card import write_card

DATA = Path(__file__).parents[1] / "data" / "emoji"
SIZE, COLUMNS = 64, 32
STYLES_NEEDED = 4  # a concept is shipped when at least so many styles draw it
NAMES = "emojibase-data@17.0.0"
STYLES = {  # our id → npm package; where two share a concept's name, the first one's counts
    "noto": "@iconify-json/noto@1.2.9",
    "twemoji": "@iconify-json/twemoji@1.2.5",
    "openmoji": "@iconify-json/openmoji@1.2.29",
    "fluent_flat": "@iconify-json/fluent-emoji-flat@1.2.6",
    "fxemoji": "@iconify-json/fxemoji@1.2.2",
    "emojione": "@iconify-json/emojione@1.2.3",
    "noto_v1": "@iconify-json/noto-v1@1.2.5",
}
COMPONENT = 2  # emojibase's group of skin tones and hair, which are no pictures of their own


# -- packages --------------------------------------------------------------------------------------------


def unpack(package: str, folder: Path) -> Path:
    """The unpacked npm package `name@version`, fetched into `folder` where it is not there yet."""
    archive = folder / (package.lstrip("@").replace("/", "-").replace("@", "-") + ".tgz")
    if not archive.exists():
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
    target = folder / archive.stem
    if not target.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
    return target / "package"


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# -- concepts --------------------------------------------------------------------------------------------


def slug(text: str) -> str:
    """A label as an identifier: "piñata" → "pinata", "keycap: #" → "keycap_hash"."""
    text = text.replace("#", "hash").replace("*", "asterisk")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "_", plain.lower()).strip("_")


def bare(hexcode: str) -> str:
    """A hexcode without the variation selector, which the packages do not agree on."""
    return hexcode.lower().replace("-fe0f", "")


def read_concepts(names: Path) -> list[dict[str, Any]]:
    """Every emoji but skin-tone variants and components, in Unicode's order, with the names it goes by."""
    groups = load(names / "meta" / "groups.json")["groups"]
    formal = {bare(code): name for code, name in load(names / "meta" / "unicode-names.json").items()}
    spanish = {entry["hexcode"]: entry["label"] for entry in load(names / "es" / "data.json")}
    concepts = []
    for entry in sorted(load(names / "en" / "data.json"), key=lambda e: e.get("order", 0)):
        if entry.get("group") in (None, COMPONENT):
            continue
        code = entry["hexcode"]
        concepts.append({
            "id": slug(entry["label"]), "emoji": entry["emoji"], "group": slug(groups[str(entry["group"])]),
            "en": entry["label"], "es": spanish[code], "code": bare(code), "formal": slug(formal.get(bare(code), "")),
        })  # fmt: skip
    return concepts


def find_drawings(icons: dict[str, Any], chars: dict[str, str], concepts: list[dict], also: dict) -> dict[str, str]:
    """Concept id → the icon that draws it in one style: by code where the package knows codes, else by equal name.

    Names are tried in order of trust (today's label, another package's name for the same code, Unicode's formal
    name), each for all concepts before the next, and no icon is used twice.
    """
    if chars:
        by_code = {bare(code): name for code, name in chars.items()}
        return {c["id"]: by_code[c["code"]] for c in concepts if c["code"] in by_code}
    squeezed = {re.sub("[^a-z0-9]", "", name): name for name in [*icons.get("aliases", {}), *icons["icons"]]}
    found: dict[str, str] = {}
    for name_of in (lambda c: c["id"], lambda c: also.get(c["code"], ""), lambda c: c["formal"]):
        for concept in concepts:
            icon = squeezed.get(re.sub("[^a-z0-9]", "", name_of(concept)))
            if icon and concept["id"] not in found and icon not in found.values():
                found[concept["id"]] = icon
    return found


# -- pictures --------------------------------------------------------------------------------------------


def svg(icons: dict[str, Any], name: str) -> str:
    """An icon of an Iconify set as a whole SVG; an alias may mirror its parent."""
    alias = icons.get("aliases", {}).get(name, {})
    icon = icons["icons"].get(name) or icons["icons"][alias["parent"]]
    width, height = (icon.get(k, icons.get(k, 16)) for k in ("width", "height"))
    left, top = icon.get("left", 0), icon.get("top", 0)
    body = icon["body"]
    if alias.get("hFlip"):
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {top} {width} {height}">{body}</svg>'


def render(markup: str) -> np.ndarray:
    """An SVG as uint8 (SIZE, SIZE, 4); fully transparent pixels are black, which compresses best."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=markup, width=SIZE, height=SIZE, skip_system_fonts=True)
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    top, left = (SIZE - picture.height) // 2, (SIZE - picture.width) // 2
    pixels[top : top + picture.height, left : left + picture.width] = picture
    pixels[pixels[..., 3] == 0] = 0
    return pixels
