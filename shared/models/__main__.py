"""The command line: what pretrained models there are, and having them ready.

python -m shared.models list
python -m shared.models warm smollm2-135m-instruct       without a name: all that are on this computer
python -m shared.models free smollm2-135m-instruct
python -m shared.models verify
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable

from shared.live.messages import Plain
from shared.models.cache import Cache, the_cache

BAR = 30


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 2 after a sentence on standard error, for each model that had a problem."""
    options = _parser().parse_args(arguments)
    cache = the_cache()
    if options.command == "list":
        print(table(rows(cache)))
        return 0
    ids = options.id or cache.within_reach()
    return max([_tried(COMMANDS[options.command], cache, model_id) for model_id in ids], default=0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.models", description="Have pretrained models ready.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every model: size, licence, source, use")
    for name, help_text in (("warm", "have models on disk, checked"), ("verify", "check those on disk, mend them")):
        commands.add_parser(name, help=help_text).add_argument("id", nargs="*", metavar="ID")
    commands.add_parser("free", help="take models off the disk").add_argument("id", nargs="+", metavar="ID")
    return parser


def _tried(command: Callable[[Cache, str], None], cache: Cache, model_id: str) -> int:
    try:
        command(cache, model_id)
    except Plain as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def _warm(cache: Cache, model_id: str) -> None:
    """With a bar on standard error while the model is made."""
    start, shown = time.monotonic(), 0.0

    def progress(share: float) -> None:
        nonlocal shown
        now = time.monotonic()
        if sys.stderr.isatty() and now - shown > 0.1:
            shown = now
            print(f"\r{bar(model_id, share, now - start)}", end="", file=sys.stderr, flush=True)

    try:
        cache.warm(model_id, progress)
    finally:
        if shown:
            print("\r\033[K", end="", file=sys.stderr)
    print(f"{model_id}: ready, {time.monotonic() - start:.1f} s")


def bar(model_id: str, share: float, seconds: float) -> str:
    """`model  ██████░░░░  60%, 8 s left`, from the share done and the seconds that it took."""
    full = round(share * BAR)
    left = f", {seconds / share - seconds:.0f} s left" if share > 0.02 else ""
    return f"{model_id}  {'█' * full}{'░' * (BAR - full)}  {share:4.0%}{left}\033[K"


def _verify(cache: Cache, model_id: str) -> None:
    said = {True: "as it was", False: "was damaged; set aside and made again", None: "not on disk"}
    print(f"{model_id}: {said[cache.verify(model_id)]}")


def _free(cache: Cache, model_id: str) -> None:
    cache.free(model_id)
    print(f"{model_id}: off the disk")


COMMANDS: dict[str, Callable[[Cache, str], None]] = {"warm": _warm, "verify": _verify, "free": _free}


def rows(cache: Cache) -> Iterable[tuple[str, ...]]:
    """The lines of `list`, its heading first."""
    yield "model", "size", "on disk", "in use by", "last used", "source", "pages", "licence"
    for model in cache.models.values():
        state = cache.state(model.id)
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(state.last_used)) if state.last_used else "-"
        size = f"{(state.bytes or model.size) / 1e6:.1f} MB"
        disk = "yes" if state.bytes else "no"
        users = str(state.users or "-")
        yield model.id, size, disk, users, used, state.source or "download", " ".join(model.pages) or "-", model.licence


def table(lines: Iterable[tuple[str, ...]]) -> str:
    """Lines of cells as text, each column as wide as its widest cell."""
    whole = list(lines)
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in whole
    )


if __name__ == "__main__":
    sys.exit(main())
