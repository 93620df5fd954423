"""Render the shipped emoji set: some 1,630 concepts in up to seven styles, of 64 and 32 pixels a side, with opacity.

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


def palette_of(pixels: np.ndarray, rounds: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """256 colours that draw `pixels`, uint8 (..., 4), well: palette uint8 (256, 4) and indices uint8 (...).

    Lloyd's k-means from an octree's palette, on the mean colours of the occupied cells of a 32⁴ grid, weighted by how
    often they occur; distances are taken on colours multiplied by their opacity, since that is what the eye gets.
    """
    flat = pixels.reshape(-1, 4)
    cell = (flat >> 3) @ np.array([1, 32, 32**2, 32**3], np.int32)
    counts = np.bincount(cell, minlength=32**4)
    used = np.flatnonzero(counts)
    weight = counts[used]
    colours = np.stack([np.bincount(cell, flat[:, c], 32**4)[used] / weight for c in range(4)], axis=1)
    octree = Image.fromarray(pixels.reshape(-1, pixels.shape[-2], 4)).quantize(256, Image.Quantize.FASTOCTREE)
    centres = np.zeros((256, 4))
    start = np.array(octree.getpalette("RGBA"), np.float64).reshape(-1, 4)
    centres[: len(start)] = start
    for _ in range(rounds):
        near = nearest(premultiplied(colours), premultiplied(centres))
        total = np.bincount(near, weight, 256)
        for c in range(4):
            mean = np.bincount(near, weight * colours[:, c], 256) / np.maximum(total, 1)
            centres[:, c] = np.where(total > 0, mean, centres[:, c])
    index = np.zeros(32**4, np.uint8)
    index[used] = nearest(premultiplied(colours), premultiplied(centres))
    return centres.round().astype(np.uint8), index[cell].reshape(pixels.shape[:-1])


def premultiplied(colours: np.ndarray) -> np.ndarray:
    """RGBA with colour scaled by opacity, (N, 4), 0 … 255."""
    return np.concatenate([colours[:, :3] * colours[:, 3:] / 255, colours[:, 3:]], axis=1)


def nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The index of the centre next to each point, (N,), in pieces that fit in a processor's cache."""
    pieces = np.array_split(points, len(points) // 4_000 + 1)
    return np.concatenate([((centres**2).sum(1) - 2 * piece @ centres.T).argmin(1) for piece in pieces])


def halved(picture: np.ndarray) -> np.ndarray:
    """A picture of half the side, uint8; opacity is multiplied in first, or transparent black would darken edges."""
    return np.asarray(Image.fromarray(picture).convert("RGBa").reduce(2).convert("RGBA"))


def save_mosaic(pictures: list[np.ndarray], path: Path) -> None:
    """Pictures of one group in one style as a PNG of at most 256 colours, COLUMNS to a row, in the index's order."""
    rows, size = -(-len(pictures) // COLUMNS), pictures[0].shape[0]
    tiles = np.zeros((rows * COLUMNS, size, size, 4), np.uint8)
    tiles[: len(pictures)] = pictures
    palette, indices = palette_of(tiles)
    grid = indices.reshape(rows, COLUMNS, size, size).swapaxes(1, 2).reshape(rows * size, COLUMNS * size)
    image = Image.fromarray(np.ascontiguousarray(grid), "P")
    image.putpalette(palette[:, :3].tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True, transparency=palette[:, 3].tobytes())


# -- the set ---------------------------------------------------------------------------------------------


def build(folder: Path) -> list[Path]:
    """Write every mosaic and the index; returns the files."""
    concepts = read_concepts(unpack(NAMES, folder))
    packages = {style: unpack(package, folder) for style, package in STYLES.items()}
    also = {bare(code): name for code, name in load(packages["noto"] / "chars.json").items()}
    icons = {style: load(path / "icons.json") for style, path in packages.items()}
    drawn = {
        style: find_drawings(icons[style], load(path / "chars.json"), concepts, also)
        for style, path in packages.items()
    }  # fmt: skip
    for concept in concepts:
        concept["styles"] = [style for style in STYLES if concept["id"] in drawn[style]]
    concepts = [concept for concept in concepts if len(concept["styles"]) >= STYLES_NEEDED]
    files = []
    for style in STYLES:
        for group in dict.fromkeys(concept["group"] for concept in concepts):
            members = [c["id"] for c in concepts if c["group"] == group and style in c["styles"]]
            if members:
                pictures = [render(svg(icons[style], drawn[style][member])) for member in members]
                for size, sized in ((SIZE, pictures), (SIZE // 2, [halved(picture) for picture in pictures])):
                    files.append(DATA / style / f"{group}_{size}.png")
                    save_mosaic(sized, files[-1])
        print(style, sum(style in concept["styles"] for concept in concepts), flush=True)
    files.append(DATA / "index.json")
    write_index(files[-1], packages, concepts)
    return files


def write_index(path: Path, packages: dict[str, Path], concepts: list[dict[str, Any]]) -> None:
    """Styles with author and licence, and concepts with group, names and the styles that draw them."""
    styles = []
    for style, folder in packages.items():
        about = load(folder / "info.json")
        licence = about["license"]
        styles.append({
            "id": style, "name": about["name"], "author": about["author"]["name"], "source": about["author"]["url"],
            "licence": licence["spdx"], "licence_url": licence["url"], "package": STYLES[style],
        })  # fmt: skip
    kept = ("id", "emoji", "group", "en", "es", "styles")
    lines = ",\n".join(json.dumps({key: c[key] for key in kept}, ensure_ascii=False) for c in concepts)
    head = json.dumps(styles, ensure_ascii=False, indent=1)
    path.write_text(f'{{"size": {SIZE}, "columns": {COLUMNS},\n"styles": {head},\n"concepts": [\n{lines}\n]}}\n')


def main() -> None:
    """Fetch, render, write, and lay the card beside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, help="where the npm archives are or shall be")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        files = build(arguments.packages or Path(temporary))
    write_card(
        DATA / "emoji.card.toml",
        files,
        title="Emoji in seven drawing styles",
        licence="Drawings: each style its own, see index.json (Apache-2.0, CC BY 4.0, CC BY-SA 4.0, MIT). Names and "
        "groups: emojibase-data, MIT, © 2017-2019 Miles Johnson, from Unicode CLDR",
        source="npm: " + ", ".join([*STYLES.values(), NAMES]),
        made_by="python -m assets.build.emoji",
        how=f"Every emoji that at least {STYLES_NEEDED} of the styles draw, without skin-tone variants, rendered by "
        f"resvg at {SIZE} × {SIZE} pixels, and averaged to half of that; one PNG for each style, group and size, "
        f"{COLUMNS} pictures to a row in the order of index.json, reduced to 256 colours each (with opacity) by "
        "k-means: the only changes to the drawings.",
    )


if __name__ == "__main__":
    main()
