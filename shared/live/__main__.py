"""The command line: any experiment, headless.

python -m shared.live list
python -m shared.live run gans/points --seed 0 --steps 2000 --set dataset=ring --every 100 --jsonl --save DIR
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from shared.live import registry
from shared.live.experiment import SEED_HIGH, Frame, Images, Plain, View, knobs


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status; a person's mistake is one sentence on standard error, and status 2."""
    options = _parser().parse_args(arguments)
    try:
        _list() if options.command == "list" else _run(options)
    except Plain as problem:
        print(problem, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read has gone; Python's own last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m shared.live", description="Run an experiment without a page.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every experiment and its knobs")
    run = commands.add_parser("run", help="advance one and print its frames")
    run.add_argument("experiment")
    run.add_argument("--seed", type=_whole(0, SEED_HIGH), default=0)
    run.add_argument("--steps", type=_whole(0), default=1000)
    run.add_argument("--seconds", type=float, help="stop after this many, whatever the steps")
    run.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="may be given many times")
    run.add_argument("--every", type=_whole(1), default=100, help="a frame every so many steps")
    run.add_argument("--jsonl", action="store_true", help="one JSON object a frame")
    run.add_argument("--save", type=Path, metavar="DIR", help="also write each frame's views: PNG and .npz")
    return parser


def _whole(low: int, high: float = math.inf) -> Callable[[str], int]:
    """Reads a whole number from `low` to `high`."""

    def whole(text: str) -> int:
        try:
            number = int(text)
            if low <= number <= high:
                return number
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {low} to {high}")

    return whole


def _list() -> None:
    for experiment_id in registry.catalogue():
        experiment_class = registry.find(experiment_id)
        print(f"{experiment_id}  {(experiment_class.__doc__ or '').strip().splitlines()[0]}")
        for knob in knobs(experiment_class.config_class()).values():
            choices = knob.choices or ((False, True) if knob.type is bool else ())
            allowed = ", ".join(map(str, choices)) or (f"{knob.low} … {knob.high}" if knob.low is not None else "any")
            print(f"    {knob.name} = {knob.default}  ({allowed}){'  live' if knob.live else ''}")


def _run(options: argparse.Namespace) -> None:
    import torch

    from shared.live.run import Run

    # One thread, as in the workers: the same numbers, and speeds that compare.
    torch.set_num_threads(1)
    values = {}
    for setting in options.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise Plain("setting_form", value=setting)
        values[name] = value
    run = Run(registry.find(options.experiment), values, options.seed)
    _report(run.frame(), options)
    start = time.perf_counter()
    while run.step_count < options.steps and not run.experiment.done:
        run.advance()
        late = options.seconds is not None and time.perf_counter() - start > options.seconds
        if run.step_count % options.every == 0 or run.step_count == options.steps or late or run.experiment.done:
            _report(run.frame(), options)
        if late:
            break


def _report(frame: Frame, options: argparse.Namespace) -> None:
    metrics = {name: float(value) for name, value in frame.metrics.items()}
    if options.jsonl:
        print(json.dumps({"step": frame.step, "metrics": metrics}), flush=True)
    else:
        print(f"{frame.step:>8}  " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()), flush=True)
    if options.save:
        options.save.mkdir(parents=True, exist_ok=True)
        for name, view in frame.views.items():
            save_view(options.save / f"{frame.step:08}-{name}", view)


def save_view(stem: Path, view: View) -> None:
    """Write a view's pictures as one PNG (a grid), and any view's arrays as .npz."""
    import numpy as np
    from PIL import Image

    if isinstance(view, Images):
        Image.fromarray(grid(view.pixels, view.columns)).save(stem.with_suffix(".png"))
    else:
        np.savez(stem.with_suffix(".npz"), allow_pickle=False, **_arrays(view))


def grid(pixels: Any, columns: int) -> Any:
    """(N, H, W[, 3]) pictures as one: rows of `columns` (0 = roughly square), black where there is none."""
    import numpy as np

    count, height, width = pixels.shape[:3]
    columns = columns or max(1, int(np.ceil(np.sqrt(count))))
    rows = -(-count // columns)
    sheet = np.zeros((rows * height, columns * width, *pixels.shape[3:]), np.uint8)
    for i in range(count):
        y, x = i // columns * height, i % columns * width
        sheet[y : y + height, x : x + width] = pixels[i]
    return sheet


def _arrays(view: View) -> dict[str, Any]:
    """A view's arrays by name; those of a dict as field.name."""
    import numpy as np

    found = {}
    for field, value in vars(view).items():
        for name, item in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(item, np.ndarray):
                found[f"{field}.{name}" if name else field] = item
    return found


if __name__ == "__main__":
    sys.exit(main())
