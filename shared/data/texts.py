"""Two texts to learn to write from: Spanish sayings, and verses of the King James Version.

Made by `python -m assets.build.texts`.
"""

from functools import cache
from pathlib import Path

TEXTS = ("sayings_es", "verses_en")
FOLDER = Path(__file__).parents[2] / "assets" / "data"
HELD_OUT = 10  # every tenth line is kept for validation


@cache
def lines(name: str) -> tuple[str, ...]:
    """One saying or verse each, in the order of the source. Raises ValueError for a name not in TEXTS."""
    if name not in TEXTS:
        raise ValueError(f"text is one of {', '.join(TEXTS)}, not {name!r}")
    return tuple((FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())


def split(text_lines: tuple[str, ...]) -> tuple[str, str]:
    """(training text, validation text): whole lines, each ended by a line break; every tenth one is held out."""
    held_out = text_lines[HELD_OUT - 1 :: HELD_OUT]
    kept = [line for i, line in enumerate(text_lines) if i % HELD_OUT != HELD_OUT - 1]
    return "".join(f"{line}\n" for line in kept), "".join(f"{line}\n" for line in held_out)
