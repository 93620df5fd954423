"""Small real experiments that do what a run may do at its worst: wait, hang, die, diverge, grow."""

import os
import random
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from shared.live.experiment import Curves, Experiment, Frame, Plane, Series, knob

FATES = ("none", "stillborn", "kill", "hang", "wait", "nan", "error", "grow", "end")


@dataclass(frozen=True)
class WalkConfig:
    scale: float = knob(1.0, low=0.0, high=10.0, live=True)
    size: int = knob(4, low=1, high=1000)
    milliseconds: float = knob(0.0, low=0.0, high=1000.0)
    at: int = knob(0, low=0, high=10**9)
    fate: str = knob("none", choices=FATES, live=True)


class Walk(Experiment[WalkConfig]):
    """A random walk that draws on torch, numpy and Python for its steps, and meets its fate at step `at`."""

    id = "tests/walk"
    phases = ("draw", "move")
    step_seconds = 2.0

    def __init__(self, config: WalkConfig, seed: int) -> None:
        super().__init__(config, seed)
        if config.fate == "stillborn":
            raise ValueError("cannot begin")
        self.place = torch.randn(config.size, 2)
        self.change = torch.zeros(config.size, 2)
        self.series = Series("radius", room=50)
        self.marks: list[list[float]] = []
        self.ballast: list[torch.Tensor] = []

    def draw(self) -> None:
        time.sleep(self.config.milliseconds / 1000)
        self.change = torch.randn_like(self.place) * np.random.rand() * random.random() * self.config.scale

    def move(self) -> None:
        if self.config.fate != "none" and self.step_count >= self.config.at:
            self.meet_fate()
        self.place += self.change
        self.series.record(self.step_count, radius=float(self.place.norm()))

    def meet_fate(self) -> None:
        fate = self.config.fate
        if fate == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fate == "hang":
            while True:
                pass
        if fate == "wait":
            time.sleep(10**6)
        if fate == "nan":
            self.place *= float("nan")
        if fate == "error":
            raise ValueError("something odd")
        if fate == "grow":
            self.ballast.append(torch.ones(200, 2**18))

    def frame(self) -> Frame:
        torch.rand(1), np.random.rand(), random.random()  # a careless frame must not change the run
        points = {"walkers": self.place.numpy().copy()}
        views = {
            "plane": Plane(bounds=(-9, 9, -9, 9), points=points, drawable=True),
            "radius": Curves(self.series.curves()),
        }
        return Frame({"radius": float(self.place.norm()), "marks": len(self.marks)}, views)

    @property
    def done(self) -> bool:
        return self.config.fate == "end" and self.step_count >= self.config.at

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event["kind"] != "draw":
            super().on_event(event)
        self.marks += [[float(x), float(y)] for x, y in event["points"]]
