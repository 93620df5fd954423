"""How tests wait, and how they watch a run as a stage would, without a socket."""

import time
from collections.abc import Callable
from typing import Any

from shared.live import wire
from shared.live.engine import Engine, LiveRun
from shared.live.experiment import Frame

PATIENCE = 600.0  # s, for a machine that does much else


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return as soon as `condition` holds; fail where it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def differences(one: Frame, other: Frame) -> list[str]:
    """The parts in which two frames are not the same to the last bit; a speed, `…_per_second`, may differ."""
    found = [
        name
        for name in one.metrics | other.metrics
        if one.metrics.get(name) != other.metrics.get(name) and not name.endswith("_per_second")
    ]
    for name in one.views | other.views:
        alone = [wire.encode(Frame({}, {name: frame.views[name]})) for frame in (one, other) if name in frame.views]
        if len(alone) < 2 or alone[0] != alone[1]:
            found.append(name)
    return found + [field for field in ("step", "phase") if getattr(one, field) != getattr(other, field)]


class Person:
    """Somebody with a token, in front of a run."""

    def __init__(self, engine: Engine, token: str) -> None:
        self.engine = engine
        self.heard: list[str] = []  # codes of all that the stage would have said, in order
        self.viewer = engine.watch(token, lambda: None)
        self.viewer.wake = self._hear

    def _hear(self) -> None:
        if self.message not in self.heard[-1:]:
            self.heard.append(self.message)

    @property
    def run(self) -> LiveRun:
        return self.viewer.run

    @property
    def state(self) -> str:
        return str(self.run.status["state"])

    @property
    def step(self) -> int:
        return int(self.run.status["step"])

    @property
    def message(self) -> str:
        """The code of what the stage would say."""
        said: Any = self.run.status.get("message") or self.run.notice or {"code": ""}
        return str(said["code"])

    def do(self, op: str, **fields: object) -> int:
        """An operation's serial."""
        self.engine.operate(self.viewer, {"op": op, **fields})
        return self.run.serial

    def take(self) -> bytes:
        """The newest frame."""
        return self.engine.take(self.viewer)[2]

    def sees(self, serial: int) -> bytes:
        """The first frame found that shows operation `serial`."""
        until(lambda: self.run.frame_serial >= serial and self.run.frame, f"a frame that shows operation {serial}")
        return self.take()

    def sees_step(self, step: int) -> bytes:
        """A frame of `step` or later."""
        until(lambda: self.run.frame and wire.header_of(self.take())["step"] >= step, f"a frame of step {step}")
        return self.take()

    def leave(self) -> None:
        self.viewer.close()
