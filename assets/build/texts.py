"""Gather the texts that a small language model learns to write from: one saying or verse a line, UTF-8.

python -m assets.build.texts        (Debian: apt-get install fortunes-es bible-kjv)
"""

import re
import subprocess
import unicodedata
from pathlib import Path

from assets.build.card import write_card

DATA = Path(__file__).parents[1] / "data"
SAYINGS = Path("/usr/share/games/fortunes/es/refranes.fortunes")
BOOKS = {"job": "1:1-42:17", "prov": "1:1-31:31", "eccl": "1:1-12:14"}
# Old sayings insult women and whole peoples and faiths; a page for a classroom does without those that name them.
LEFT_OUT = re.compile(
    r"\b(mujer\w*|hembra\w*|suegra\w*|nuera\w*|viuda\w*|put\w+|ramera\w*|moz[ao]s?|doncella\w*|casada\w*|"
    r"jud[ií]\w*|mor[oa]s?|gitan\w+|negr[oa]s?|cristian\w+|herej\w+|fraile\w*|cojones|culo\w*|mierda\w*|cag\w+|teta\w*)\b",
    re.IGNORECASE,
)


def sayings(source: Path = SAYINGS) -> list[str]:
    """Spanish sayings in their alphabetical order, without quotation marks at their ends and without repeats."""
    if not source.exists():
        raise SystemExit(f"No {source}: `apt-get install fortunes-es`.")
    found = (" ".join(piece.split()) for piece in source.read_text(encoding="utf-8").split("\n%"))
    clean = (unicodedata.normalize("NFC", saying.strip(' "')) for saying in found)
    return list(dict.fromkeys(saying for saying in clean if 10 <= len(saying) <= 120 and not LEFT_OUT.search(saying)))


def verses() -> list[str]:
    """The verses of BOOKS in the King James Version, in order, without their numbers."""
    try:
        printed = [
            subprocess.run(["bible", "-f", "-l10000", book + verses], capture_output=True, text=True, check=True).stdout
            for book, verses in BOOKS.items()
        ]
    except FileNotFoundError:
        raise SystemExit("No `bible` here: `apt-get install bible-kjv`.") from None
    lines = "\n".join(printed).splitlines()
    found = (re.sub(r"^\S+ ", "", " ".join(line.split())) for line in lines if re.match(r"\w+\d+:\d+ ", line))
    return list(dict.fromkeys(found))  # a verse said twice would be learned and held out


def main() -> None:
    """Write both texts and their cards."""
    for name, lines, about in (
        (
            "sayings_es",
            sayings(),
            {
                "title": "Spanish sayings (refranes)",
                "licence": "Public domain: sayings of no author, presumed free of rights by their collectors",
                "source": "Debian fortunes-es, refranes: collected by Roly Canteros and Urko Lusa, 1999",
                "how": "10 to 120 characters each, spaces made one, repeats dropped; sayings that name women, peoples "
                "or faiths, and coarse ones, left out. One a line.",
            },
        ),
        (
            "verses_en",
            verses(),
            {
                "title": "Job, Proverbs and Ecclesiastes in the King James Version",
                "licence": "Public domain: a translation of 1611",
                "source": "Debian bible-kjv-text",
                "how": "The verses in order, without their numbers and without repeats. One a line.",
            },
        ),
    ):
        path = DATA / f"{name}.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_card(DATA / f"{name}.card.toml", [path], made_by="python -m assets.build.texts", **about)


if __name__ == "__main__":
    main()
