"""The same class, values and seed give the same run in any company, and after a checkpoint."""

import math
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.live import wire
from shared.live.experiment import Frame, Plain
from shared.live.run import Run
from tests.shared.experiments import Walk, WalkConfig

STEPS = 40


def frames(run: Run, steps: int = STEPS) -> list[bytes]:
    """The frame of each step, as bytes."""
    found = [wire.encode(run.frame())]
    for _ in range(steps):
        run.advance()
        found.append(wire.encode(run.frame()))
    return found


@pytest.fixture(scope="module")
def alone() -> list[bytes]:
    return frames(Run(Walk, {}, 7))


def test_the_same_seed_gives_the_same_frames(alone: list[bytes]) -> None:
    assert frames(Run(Walk, {}, 7)) == alone
    assert len(set(alone)) == STEPS + 1


def test_another_seed_gives_another_run(alone: list[bytes]) -> None:
    assert not set(frames(Run(Walk, {}, 8))) & set(alone)


def test_twenty_others_change_nothing(alone: list[bytes]) -> None:
    run = Run(Walk, {}, 7)
    others = [Run(Walk, {"size": 1 + i}, i) for i in range(20)]
    found = [wire.encode(run.frame())]
    for step in range(STEPS):
        for other in others[step % 20 :]:
            other.advance()
            other.frame()
        run.advance()
        found.append(wire.encode(run.frame()))
    assert found == alone
    assert frames(Run(Walk, {"size": 3}, 2), 5)[5] == wire.encode(_advanced(Run(Walk, {"size": 3}, 2), 5).frame())


def _advanced(run: Run, steps: int) -> Run:
    for _ in range(steps):
        run.advance()
    return run


def test_frames_that_nobody_looks_at_change_nothing(alone: list[bytes]) -> None:
    assert wire.encode(_advanced(Run(Walk, {}, 7), STEPS).frame()) == alone[-1]


def test_what_draws_between_two_turns_changes_nothing(alone: list[bytes]) -> None:
    run = Run(Walk, {}, 7)
    for step in range(STEPS):
        run.advance()
        other = Run(Walk, {}, step)
        with other.randomness.own():
            torch.randn(step), np.random.rand(step), random.gauss(0, 1)
    assert wire.encode(run.frame()) == alone[-1]


def test_phases_change_nothing(alone: list[bytes]) -> None:
    run = Run(Walk, {}, 7)
    for step in range(STEPS):
        if step % 3:
            run.advance_phase()
            run.frame()
        run.advance()  # the rest of the step, or a whole one
    assert wire.encode(run.frame()) == alone[-1]
    assert run.step_count == STEPS


def test_a_phase_is_named_in_its_frame() -> None:
    run = Run(Walk, {}, 7)
    told = []
    for _ in range(4):
        run.advance_phase()
        told.append((run.frame().step, run.frame().phase))
    assert told == [(0, "draw"), (1, "move"), (1, "draw"), (2, "move")]
    run.advance()
    assert run.frame().phase == ""


def test_a_checkpoint_goes_on_as_if_nothing_had_been(alone: list[bytes], tmp_path: Path) -> None:
    run = _advanced(Run(Walk, {}, 7), 15)
    run.save(tmp_path / "walk")
    _advanced(run, 3)
    copy = Run.load(Walk, tmp_path / "walk")
    assert frames(copy, STEPS - 15) == alone[15:]
    assert [path.name for path in tmp_path.iterdir()] == ["walk"]


def test_a_checkpoint_keeps_the_gaussian_that_numpy_and_python_hold_back(tmp_path: Path) -> None:
    run = Run(Walk, {}, 7)
    with run.randomness.own():
        np.random.randn(), random.gauss(0, 1)
    run.save(tmp_path / "walk")
    copy = Run.load(Walk, tmp_path / "walk")
    drawn = []
    for each in (run, copy):
        with each.randomness.own():
            drawn.append((np.random.randn(), random.gauss(0, 1), torch.randn(()).item()))
    assert drawn[0] == drawn[1]


def test_a_live_knob_outlives_a_checkpoint_and_a_reset(tmp_path: Path) -> None:
    run = Run(Walk, {}, 7)
    run.set_knob("scale", "2.5")
    run.save(tmp_path / "walk")
    assert Run.load(Walk, tmp_path / "walk").values["scale"] == 2.5
    assert run.again({}, 7).values["scale"] == 2.5


def test_a_reset_keeps_the_initial_weights(alone: list[bytes]) -> None:
    run = _advanced(Run(Walk, {}, 7), 9)
    assert frames(run.again({}, 7)) == alone
    assert frames(run.again({}, 8), 3) == frames(Run(Walk, {}, 8), 3)


class Odd(Walk):
    """A walk that cannot be kept, and whose metric may be anything."""

    metric: float = 0.0
    unkept = False

    def frame(self) -> Frame:
        return Frame({"odd": self.metric})

    def state_dict(self) -> dict[str, Any]:
        return {"file": open(os.devnull)} if self.unkept else super().state_dict()


def test_a_failed_checkpoint_leaves_the_last_one(tmp_path: Path) -> None:
    run = Run(Odd, {}, 7)
    run.save(tmp_path / "odd")
    kept = (tmp_path / "odd").read_bytes()
    run.experiment.unkept = True  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        run.save(tmp_path / "odd")
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]
    assert (tmp_path / "odd").read_bytes() == kept


class Trap:
    """Deletes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.unlink, (str(self.path),)


def test_a_checkpoint_is_never_executed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    torch.save({"experiment": Trap(victim), "values": {}, "seed": 0}, tmp_path / "trap")
    with pytest.raises(pickle.UnpicklingError):
        Run.load(Walk, tmp_path / "trap")
    assert victim.exists()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_not_finite_is_no_frame(value: float) -> None:
    run = Run(Odd, {}, 7)
    run.advance()
    run.experiment.metric = value  # type: ignore[attr-defined]
    with pytest.raises(Plain) as stop:
        run.frame()
    assert (stop.value.code, stop.value.details) == ("diverged", {"metric": "odd", "step": 1})


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("scale", 11, "knob_range"),
        ("scale", "x", "knob_type"),
        ("fate", "gold", "knob_choice"),
        ("size", 5, "knob_not_live"),
        ("colour", 1, "knob_unknown"),
    ],
)
def test_a_bad_move_of_a_knob_leaves_the_run(name: str, value: object, code: str) -> None:
    run = Run(Walk, {}, 7)
    with pytest.raises(Plain) as refusal:
        run.set_knob(name, value)
    assert refusal.value.code == code
    assert run.experiment.config == WalkConfig()


def test_a_live_knob_moves_at_once_and_keeps_the_state(alone: list[bytes]) -> None:
    run = _advanced(Run(Walk, {}, 7), 10)
    run.set_knob("scale", 0)
    assert wire.encode(run.frame()) == alone[10]
    run.advance()
    standing = run.frame().metrics["radius"]
    assert standing == wire.header_of(alone[10])["metrics"]["radius"]
