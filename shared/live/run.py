"""A run: one experiment with one config and one seed, and the random states that belong to it alone."""

import dataclasses
import math
import os
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from shared.live.experiment import Experiment, Frame, Plain, configure, knobs

RandomStates = tuple[torch.Tensor, Any, Any]
# What a checkpoint may hold beside torch's own: numpy's numbers and arrays, of which an empty one holds bytes().
NUMPY = [bytes, np.ndarray, np.dtype, np.zeros(0).__reduce__()[0], np.float64().__reduce__()[0]]
NUMPY += [type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"]


class Randomness:
    """The global generators (torch, numpy, Python) as one run left them.

    They are swapped in when a run is advanced and out only when another one takes its turn, so a run that
    plays alone pays nothing.
    """

    current: ClassVar["Randomness | None"] = None

    def __init__(self, seed: int) -> None:
        with self.own():
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)

    @contextmanager
    def own(self) -> Iterator[None]:
        """Within, the global generators are this run's."""
        if Randomness.current is not self:
            if Randomness.current is not None:
                Randomness.current.states = capture()
            if hasattr(self, "states"):
                restore(self.states)
            Randomness.current = self
        yield

    def state_dict(self) -> dict[str, Any]:
        """The three states as tensors, numbers and lists."""
        states = capture() if Randomness.current is self else self.states
        torch_state, (kind, keys, position, has_gauss, cached), (version, words, gauss) = states
        return {
            "torch": torch_state,
            "numpy": [kind, keys.tolist(), position, has_gauss, cached],
            "python": [version, list(words), gauss],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        kind, keys, position, has_gauss, cached = state["numpy"]
        version, words, gauss = state["python"]
        numpy_state = (kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, cached)
        self.states: RandomStates = (state["torch"], numpy_state, (version, tuple(words), gauss))
        if Randomness.current is self:
            restore(self.states)


def capture() -> RandomStates:
    """The global generators' states."""
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def restore(states: RandomStates) -> None:
    """Put the global generators back."""
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])


class Run:
    """One experiment being advanced. The same class, values and seed give the same frames in any company."""

    def __init__(self, experiment_class: type[Experiment], values: Mapping[str, object], seed: int) -> None:
        """Raises Plain for an unknown knob or a bad value; whatever the experiment raises otherwise."""
        self.experiment_class = experiment_class
        self.seed = seed
        config = configure(experiment_class.config_class(), values)
        self.randomness = Randomness(seed)
        with self.randomness.own():
            self.experiment = experiment_class(config, seed)
        self.phase = ""

    @property
    def step_count(self) -> int:
        return self.experiment.step_count

    @property
    def values(self) -> dict[str, Any]:
        """The config as it now stands, by knob name."""
        return {name: getattr(self.experiment.config, name) for name in knobs(type(self.experiment.config))}

    def advance(self) -> None:
        """One step."""
        self.phase = ""
        with self.randomness.own():
            self.experiment.advance()

    def advance_phase(self) -> None:
        """One phase of a step, or a step where the experiment names none."""
        with self.randomness.own():
            self.phase = self.experiment.advance_phase()

    def frame(self) -> Frame:
        """A picture of the run; the run and its random states stay as they are.

        Raises Plain("diverged") where a metric is not a finite number.
        """
        with self.randomness.own():
            before = capture()
            try:
                frame = self.experiment.frame()
            finally:
                restore(before)
        for name, value in frame.metrics.items():
            if not math.isfinite(value):
                raise Plain("diverged", metric=name, step=self.step_count)
        return dataclasses.replace(frame, step=self.step_count, phase=self.phase)

    def set_knob(self, name: str, value: object) -> None:
        """Move a live knob. Raises Plain for one that is unknown, out of range or not live."""
        known = knobs(type(self.experiment.config))
        configure(type(self.experiment.config), {name: value})
        if not known[name].live:
            raise Plain("knob_not_live", name=name)
        with self.randomness.own():
            self.experiment.on_knob(name, known[name].check(value))

    def send(self, event: Mapping[str, Any]) -> None:
        """Hand the experiment an event from the stage. Raises Plain where it makes no sense of it."""
        with self.randomness.own():
            self.experiment.on_event(event)

    def again(self, values: Mapping[str, object], seed: int) -> "Run":
        """A new run of the same experiment: the same initial weights where the seed is the same. It takes over what
        a person made on this one."""
        fresh = Run(self.experiment_class, self.values | dict(values), seed)
        with fresh.randomness.own():
            fresh.experiment.inherit(self.experiment)
        return fresh

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all. To be called between two steps."""
        state = {
            "experiment": self.experiment.state_dict(),
            "randomness": self.randomness.state_dict(),
            "values": self.values,
            "seed": self.seed,
        }
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                torch.save(state, file)
            except BaseException:
                os.unlink(file.name)
                raise
        os.replace(file.name, path)

    @classmethod
    def load(cls, experiment_class: type[Experiment], path: Path) -> "Run":
        """The run as save() left it. Tensors and plain values only: nothing in the file is executed."""
        with torch.serialization.safe_globals(NUMPY):
            state = torch.load(path, weights_only=True)
        run = cls(experiment_class, state["values"], state["seed"])
        with run.randomness.own():
            run.experiment.load_state_dict(state["experiment"])
        run.randomness.load_state_dict(state["randomness"])
        return run
