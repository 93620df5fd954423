"""Write the card that lies beside a shipped asset: where it comes from, under what licence, how it was made.

A card is a TOML file, `<name>.card.toml`, with `title`, `licence`, `source`, `made_by`, `how`, for weights also
`title_es` (the title in Spanish) and `pages` (the folders in apps/ that use them), and a table `[sha256]` of the files
that it speaks for, which `tests/shared/test_weights.py` recomputes.
"""

import json
from pathlib import Path

from shared.models.sources import sha256


def write_card(path: Path, files: list[Path], **text: str | list[str]) -> None:
    """Write `path` for `files` (in its own folder or below) with the sentences in `text`, and `pages` that use them."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in text.items()]
    sums = [f'"{f.relative_to(path.parent).as_posix()}" = "{sha256(f)}"' for f in sorted(files)]
    path.write_text("\n".join([*lines, "", "[sha256]", *sums, ""]), encoding="utf-8")
