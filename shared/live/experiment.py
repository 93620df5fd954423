"""What an experiment is: knobs configure it, steps advance it, frames picture it.

A topic writes one class a method, in plain torch or numpy, on top of this module alone:

    @dataclass(frozen=True)
    class CoinConfig:
        bias: float = knob(0.5, low=0.0, high=1.0, live=True)

    class Coin(Experiment[CoinConfig]):
        '''Toss a coin.'''
        id = "examples/coin"
        def __init__(self, config, seed): super().__init__(config, seed); self.heads = 0
        def step(self): self.heads += int(torch.rand(()) < self.config.bias)
        def frame(self): return Frame({"heads": self.heads})

Randomness is torch's, numpy's and Python's own global generators: the engine seeds them before the
experiment is built and gives each run back its own states whenever it advances it, so the same config and
seed give the same run in any company.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

import numpy as np

from shared.live.messages import Plain
from shared.live.views import Bars, Curves, Grid, Heatmap, Histogram, Images, Links, Plane, Sketch, Tokens, View

__all__ = [
    "Bars", "Curves", "Experiment", "Frame", "Grid", "Heatmap", "Histogram", "Images", "Knob", "Links",
    "Plain", "Plane", "SEED_HIGH", "Series", "Sketch", "Tokens", "View", "configure", "knob", "knobs",
]  # fmt: skip

SEED_HIGH = 2**31 - 1  # seeds go from 0 to this
Scale = Literal["linear", "log", "ordered"]
Value = bool | int | float | str


@dataclass(frozen=True)
class Knob:
    """One field of a config: what it may be, and whether it may move while the run plays.

    `low` and `high` are inclusive and in the field's own unit; `choices` closes a text or a number to a list.
    A text without choices takes up to `length` characters. Choices on an "ordered" scale are places on a slider.
    """

    name: str
    type: type
    default: Value
    low: float | None = None
    high: float | None = None
    choices: tuple[Value, ...] = ()
    scale: Scale = "linear"
    live: bool = False
    length: int = 200

    def check(self, value: object) -> Value:
        """`value` as this knob's type. Raises Plain, naming the value and what is allowed."""
        typed = self._typed(value)
        if self.choices and typed not in self.choices:
            raise Plain("knob_choice", name=self.name, value=_shown(value), allowed=", ".join(map(str, self.choices)))
        if self.low is not None and self.high is not None and not self.low <= typed <= self.high:  # type: ignore[operator]
            raise Plain("knob_range", name=self.name, value=_shown(value), low=self.low, high=self.high)
        if isinstance(typed, str) and len(typed) > self.length:
            raise Plain("knob_length", name=self.name, length=self.length)
        return typed

    def _typed(self, value: object) -> Value:
        """Text from a URL or a command line, or a JSON value, as the knob's own type."""
        try:
            if self.type is bool:
                if isinstance(value, bool):
                    return value
                return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
            if self.type is int and not isinstance(value, bool):
                number = float(value)  # type: ignore[arg-type]
                if number == int(number):
                    return int(number)
            if self.type is float and not isinstance(value, bool):
                number = float(value)  # type: ignore[arg-type]
                if math.isfinite(number):
                    return number
            if self.type is str and isinstance(value, str):
                return value
        except (TypeError, ValueError, KeyError, OverflowError):
            pass
        raise Plain("knob_type", name=self.name, value=_shown(value), type=self.type.__name__)

    def as_json(self) -> dict[str, object]:
        """What a widget needs to know."""
        return dataclasses.asdict(self) | {"type": self.type.__name__}


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:40] + "…"


def knob(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Value, ...] = (),
    scale: Scale = "linear",
    live: bool = False,
    length: int = 200,
) -> Any:
    """Declare a config field once; widget, validation, URL, command line and docs all follow from it."""
    if (low is None) != (high is None) or (scale == "log" and (low is None or low <= 0)):
        raise TypeError(f"a range has two ends, above 0 on a log scale; not {low} … {high}")
    spec = {"low": low, "high": high, "choices": choices, "scale": scale, "live": live, "length": length}
    return dataclasses.field(default=default, metadata={"knob": spec})


def knobs(config_class: type) -> dict[str, Knob]:
    """The knobs of a config class, by field name, in the order they are written."""
    found = {}
    for field in dataclasses.fields(config_class):
        if "knob" in field.metadata:
            default: Any = field.default
            found[field.name] = Knob(field.name, type(default), default, **field.metadata["knob"])
    return found


def configure(config_class: type, values: Mapping[str, object]) -> Any:
    """A config with `values` set over its defaults. Raises Plain for an unknown name or a bad value."""
    known = knobs(config_class)
    for name in values:
        if name not in known:
            raise Plain("knob_unknown", name=_shown(name), allowed=", ".join(known))
    return config_class(**{name: known[name].check(value) for name, value in values.items()})


@dataclass(frozen=True)
class Frame:
    """An immutable picture of a run: metrics (plain finite numbers) and views, by name.

    The engine stamps `step` (steps done) and `phase` (the phase just run in slow motion, or "").
    """

    metrics: dict[str, float]
    views: dict[str, View] = dataclasses.field(default_factory=dict)
    step: int = 0
    phase: str = ""


class Series:
    """Numbers remembered over a run, for its curves, in bounded room.

    At most `room` points are kept: when full, every second one goes and from then on half as many are taken,
    so that the whole run stays on the screen. A number that is not finite stops the run, by name.
    """

    def __init__(self, *names: str, room: int = 1000) -> None:
        self.names = names
        self.room = room
        self.stride = 1
        self.seen = 0
        self.count = 0
        self.table = np.empty((room, 1 + len(names)))  # x and the values; of these rows the first `count` are filled

    @property
    def kept(self) -> np.ndarray:
        """(T, 1 + names): a row for each point kept, x first."""
        return self.table[: self.count]

    def record(self, x: float, **values: float) -> None:
        """Remember one value a name at `x`. Raises Plain("diverged") for NaN or infinity."""
        for name, value in values.items():
            if not math.isfinite(value):
                raise Plain("diverged", metric=name, step=int(x))
        if self.seen % self.stride == 0:
            if self.count >= self.room:
                self._keep(self.kept[::2].copy())
                self.stride *= 2
            if self.seen % self.stride == 0:
                self.table[self.count] = [x, *(values[name] for name in self.names)]
                self.count += 1
        self.seen += 1

    def _keep(self, rows: np.ndarray) -> None:
        self.count = len(rows)
        self.table[: self.count] = rows

    def curves(self) -> dict[str, np.ndarray]:
        """Name → float32 (T, 2) of x and value, as a Curves view takes them."""
        table = self.kept.astype(np.float32)
        return {name: np.ascontiguousarray(table[:, [0, i + 1]]) for i, name in enumerate(self.names)}

    def state_dict(self) -> dict[str, Any]:
        return {"stride": self.stride, "seen": self.seen, "kept": self.kept.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stride, self.seen = state["stride"], state["seen"]
        self._keep(np.array(state["kept"]).reshape(-1, 1 + len(self.names)))


Config = TypeVar("Config")


class Experiment(Generic[Config]):
    """A topic's own code: a model, its data, its update. Subclass it; see the module's example.

    id:      "topic/name", as the command line and the pages know it.
    phases:  names of the methods that make up one step, in order, for slow motion. With phases, step() need
             not be written: it calls them all.
    speeds:  those that a person may choose from, of the scheduler's; "slow" only where there are phases.
    speed:   the one that a run begins with.
    step_seconds: how long one step may take before the engine calls it hung.
    tick_seconds: how long one step lasts in the experiment's own world, where that has a time of its own: so long the
             engine waits from step to step at the speed "max". May change while the run plays; 0 = no wait.
    frame_share: of a playing run's time, what may go into frames.
    """

    id: ClassVar[str] = ""
    phases: ClassVar[tuple[str, ...]] = ()
    speeds: ClassVar[tuple[str, ...]] = ("slow", "1", "10", "max", "fast")
    speed: ClassVar[str] = "max"
    step_seconds: ClassVar[float] = 10.0
    tick_seconds: float = 0.0
    frame_share: ClassVar[float] = 0.2
    config: Config

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.step_count = 0
        self.phase_index = 0

    @classmethod
    def config_class(cls) -> type:
        """The dataclass named in `Experiment[...]`."""
        for base in getattr(cls, "__orig_bases__", ()):
            if get_args(base) and isinstance(get_args(base)[0], type):
                return get_args(base)[0]
        raise TypeError(f"{cls.__name__} must name its config: class {cls.__name__}(Experiment[ItsConfig])")

    def step(self) -> None:
        """One unit a person can step: an update, an environment step, a token."""
        for phase in self.phases:
            getattr(self, phase)()

    def frame(self) -> Frame:
        """Detached copies of what there is to see. Cheap; never changes the run."""
        raise NotImplementedError

    @property
    def done(self) -> bool:
        """Nothing is left to advance."""
        return False

    def on_knob(self, name: str, value: Value) -> None:
        """A live knob moved; `value` has been checked. Override where more than the config must change."""
        self.config = dataclasses.replace(self.config, **{name: value})  # type: ignore[type-var]

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A click, a key, a drawing from the stage. Raises Plain for one that makes no sense here."""
        raise Plain("event_unknown", kind=_shown(event.get("kind", "")))

    def inherit(self, before: "Experiment[Config]") -> None:
        """This run takes the place of `before`, at a reset: take over what a person made there, a drawing say."""

    # -- what the engine calls ------------------------------------------------------------------------

    def advance(self) -> None:
        """One whole step, or what slow motion has left of the present one."""
        if self.phase_index:
            while self.phase_index:
                self.advance_phase()
            return
        self.step()
        self.step_count += 1

    def advance_phase(self) -> str:
        """One phase of a step (the whole step where there are none). Returns the phase's name."""
        if not self.phases:
            self.advance()
            return ""
        phase = self.phases[self.phase_index]
        getattr(self, phase)()
        self.phase_index = (self.phase_index + 1) % len(self.phases)
        if self.phase_index == 0:
            self.step_count += 1
        return phase

    def state_dict(self) -> dict[str, Any]:
        """Everything that the run has learned, between two steps: tensors, numbers, texts, lists, dicts.

        By default each attribute: its own state_dict() where it has one (modules, optimisers, series),
        itself where it is plain. A numpy array that may not be written is data, and left out. Override for
        anything else.
        """
        state: dict[str, Any] = {}
        for name, value in vars(self).items():
            if hasattr(value, "state_dict"):
                state[name] = value.state_dict()
            elif _is_plain(value):
                state[name] = value
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from state_dict() of a run with the same config and seed."""
        for name, value in state.items():
            current: Any = getattr(self, name, None)
            if hasattr(current, "load_state_dict"):
                current.load_state_dict(value)
            elif getattr(current, "requires_grad", False) and current.is_leaf:
                current.data.copy_(value)  # an optimiser may hold this very tensor
            else:
                setattr(self, name, value)


def _is_plain(value: object) -> bool:
    """True for what a checkpoint may hold as it is."""
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return True
    if isinstance(value, np.ndarray):
        return value.flags.writeable and value.dtype.kind in "biuf"
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return type(value).__name__ in ("Tensor", "Parameter")
