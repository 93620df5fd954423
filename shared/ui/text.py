"""A folder's words: `text.en.toml` and `text.es.toml`, the same keys in both."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from shared.live.messages import LANGUAGES, sentence

__all__ = ["LANGUAGES", "Text", "sentence", "text"]


class Text:
    """The words of one folder in one language, by dotted key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))

    def __call__(self, key: str, **names: object) -> str:
        """The text at `key` with its {names} filled in. Raises KeyError, naming file and key, if it is not there."""
        found = self._find(key)
        if not isinstance(found, str):
            raise KeyError(f"{self.path.name} has no text {key!r}")
        for name, value in names.items():
            found = found.replace("{" + name + "}", str(value))
        return found

    def all(self, key: str) -> Any:
        """The section or list at `key`; an empty dict where there is none."""
        found = self._find(key)
        return {} if found is None else found

    def _find(self, key: str) -> Any:
        branch: Any = self.tree
        for part in key.split("."):
            branch = branch.get(part) if isinstance(branch, dict) else None
        return branch


@cache
def text(folder: Path, language: str) -> Text:
    """The words in `folder`, read once."""
    return Text(folder / f"text.{language}.toml")
