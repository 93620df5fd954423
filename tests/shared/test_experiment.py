"""The contract: knobs are checked, series stay bounded, phases add up to a step; and every experiment keeps to it."""

import dataclasses
import math
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.live import registry, wire
from shared.live.experiment import Experiment, Frame, Plain, Series, configure, knob, knobs
from shared.live.run import Run
from tests.shared.experiments import Walk, WalkConfig
from tests.shared.watching import differences


@dataclass(frozen=True)
class SomeConfig:
    """One knob of every type."""

    rate: float = knob(1e-3, low=1e-5, high=1e-1, scale="log", live=True)
    width: int = knob(64, low=1, high=512)
    loss: str = knob("hinge", choices=("hinge", "minimax"))
    shuffle: bool = knob(True)
    prompt: str = knob("a hat", length=10)
    size: int = knob(16, choices=(16, 32))
    fixed: int = 3


# -- knobs -------------------------------------------------------------------------------------------------


def test_knobs_come_in_the_order_written_with_all_that_a_widget_needs() -> None:
    found = knobs(SomeConfig)
    assert list(found) == ["rate", "width", "loss", "shuffle", "prompt", "size"]
    assert found["rate"].as_json() == {
        "name": "rate",
        "type": "float",
        "default": 1e-3,
        "low": 1e-5,
        "high": 1e-1,
        "choices": (),
        "scale": "log",
        "live": True,
        "length": 200,
    }
    assert [found[name].type for name in found] == [float, int, str, bool, str, int]
    assert not found["width"].live


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("rate", "0.01", 0.01),
        ("rate", 1e-5, 1e-5),
        ("rate", "1e-1", 0.1),
        ("width", "12", 12),
        ("width", 12.0, 12),
        ("width", 512, 512),
        ("loss", "minimax", "minimax"),
        ("shuffle", False, False),
        ("shuffle", "FALSE", False),
        ("shuffle", "1", True),
        ("prompt", "un sombr€", "un sombr€"),
        ("size", "32", 32),
    ],
)
def test_a_value_becomes_the_knobs_own_type(name: str, given: object, value: object) -> None:
    found = knobs(SomeConfig)[name].check(given)
    assert found == value
    assert type(found) is type(value)
    assert getattr(configure(SomeConfig, {name: given}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "code"),
    [
        ("rate", "fast", "knob_type"),
        ("rate", "nan", "knob_type"),
        ("rate", "inf", "knob_type"),
        ("rate", None, "knob_type"),
        ("rate", True, "knob_type"),
        ("rate", [0.1], "knob_type"),
        ("rate", 10**400, "knob_type"),
        ("rate", 0.2, "knob_range"),
        ("rate", 0, "knob_range"),
        ("width", 1.5, "knob_type"),
        ("width", False, "knob_type"),
        ("width", "inf", "knob_type"),
        ("width", 0, "knob_range"),
        ("width", 10**30, "knob_range"),
        ("loss", "HINGE", "knob_choice"),
        ("loss", 3, "knob_type"),
        ("shuffle", "perhaps", "knob_type"),
        ("shuffle", 2, "knob_type"),
        ("prompt", "x" * 11, "knob_length"),
        ("size", 24, "knob_choice"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, given: object, code: str) -> None:
    with pytest.raises(Plain) as refusal:
        configure(SomeConfig, {name: given})
    assert refusal.value.code == code
    said = str(refusal.value)
    assert name in said
    assert "{" not in said
    if code in ("knob_type", "knob_choice", "knob_range"):
        assert str(given)[:40] in said


def test_a_refusal_names_what_is_allowed() -> None:
    for values, allowed in (
        ({"loss": "x"}, "hinge, minimax"),
        ({"width": 0}, "from 1 to 512"),
        ({"x": 1}, "rate, width"),
    ):
        with pytest.raises(Plain) as refusal:
            configure(SomeConfig, values)
        assert allowed in str(refusal.value)


def test_a_huge_bad_value_is_cut_short() -> None:
    for values in ({"loss": "x" * 100_000}, {"x" * 100_000: 1}):
        with pytest.raises(Plain) as refusal:
            configure(SomeConfig, values)
        assert len(str(refusal.value)) < 300


def test_only_knobs_can_be_set() -> None:
    with pytest.raises(Plain, match="no setting called fixed"):
        configure(SomeConfig, {"fixed": 4})
    assert configure(SomeConfig, {}) == SomeConfig()


@pytest.mark.parametrize("limits", [{"low": 0}, {"high": 1}, {"scale": "log"}, {"low": 0, "high": 1, "scale": "log"}])
def test_half_a_range_is_the_programmers_mistake(limits: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="range"):
        knob(0.5, **limits)


def test_an_experiment_must_name_its_config() -> None:
    with pytest.raises(TypeError, match="must name its config"):
        type("Nameless", (Experiment,), {}).config_class()
    assert Walk.config_class() is WalkConfig


# -- series ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [7, 50])
def test_a_series_stays_bounded_and_spans_the_whole_run(room: int) -> None:
    series = Series("loss", "norm", room=room)
    for step in range(3000):
        series.record(step, loss=step / 10, norm=-step)
        assert len(series.kept) <= room
    curves = series.curves()
    x, y = curves["loss"].T
    assert curves["norm"].shape == curves["loss"].shape
    assert curves["loss"].dtype == np.float32
    assert x[0] == 0
    assert x[-1] >= 3000 * (1 - 2 / len(x))
    assert len(x) >= room // 2
    assert len(set(np.diff(x))) == 1  # evenly spaced
    np.testing.assert_allclose(y, x / 10, rtol=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_stops_the_run_by_name(value: float) -> None:
    series = Series("loss")
    series.record(0, loss=1.0)
    with pytest.raises(Plain) as stop:
        series.record(7, loss=value)
    assert stop.value.code == "diverged"
    assert stop.value.details == {"metric": "loss", "step": 7}
    assert len(series.curves()["loss"]) == 1


def test_a_series_without_points_is_a_curve_without_points() -> None:
    assert Series("loss").curves()["loss"].shape == (0, 2)


def test_a_series_goes_on_from_its_state() -> None:
    one, other = Series("loss", room=10), Series("loss", room=10)
    for step in range(35):
        one.record(step, loss=step)
    other.load_state_dict(one.state_dict())
    for step in range(35, 90):
        one.record(step, loss=step)
        other.record(step, loss=step)
    assert np.array_equal(one.curves()["loss"], other.curves()["loss"])


# -- the default state_dict --------------------------------------------------------------------------------


class Mixture(Experiment[WalkConfig]):
    """Holds one thing of every sort that a run may learn."""

    id = "tests/mixture"

    def __init__(self, config: WalkConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.network = torch.nn.Linear(2, 1)
        self.latent = torch.zeros(3, requires_grad=True)
        self.optimizer = torch.optim.Adam([*self.network.parameters(), self.latent])
        self.series = Series("loss")
        self.table = np.zeros((2, 3))
        self.data = np.arange(3.0)
        self.data.flags.writeable = False
        self.best = np.float64(0)
        self.notes: dict[str, list[float | None]] = {"returns": []}
        self.mean = torch.zeros(2)

    def step(self) -> None:
        loss = (self.network(torch.randn(4, 2)) - self.latent.sum()).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.series.record(self.step_count, loss=loss.item())
        self.table[self.step_count % 2] += np.random.rand(3)
        self.best = np.float64(max(self.best, loss.item()))
        self.notes["returns"] += [np.float32(loss.item()), None]
        self.mean = self.mean * 0.9 + torch.rand(2)

    def frame(self) -> Frame:
        numbers = torch.cat([*(p.flatten() for p in self.network.parameters()), self.latent, self.mean]).tolist()
        metrics = {f"n{i}": value for i, value in enumerate([*numbers, *self.table.flatten(), self.best])}
        return Frame(metrics | {"returns": len(self.notes["returns"]), "seen": self.series.seen})


def test_by_default_everything_learned_is_kept(tmp_path: Path) -> None:
    run = Run(Mixture, {}, 3)
    for _ in range(20):
        run.advance()
    assert "data" not in run.experiment.state_dict()
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(Mixture, tmp_path / "some.checkpoint")
    assert copy.frame() == run.frame()
    for _ in range(20):
        run.advance()
        copy.advance()
    assert copy.frame() == run.frame()
    assert copy.experiment.notes == run.experiment.notes  # type: ignore[attr-defined]


# -- what every experiment keeps to ------------------------------------------------------------------------


@pytest.fixture(params=registry.catalogue())
def member(request: pytest.FixtureRequest) -> type[Experiment]:
    """Each experiment there is."""
    return registry.find(request.param)


def test_every_config_is_declared_in_full(member: type[Experiment]) -> None:
    config_class = member.config_class()
    assert dataclasses.is_dataclass(config_class)
    written = typing.get_type_hints(config_class)
    for name, each in knobs(config_class).items():
        assert each.check(each.default) == each.default
        assert written[name] is each.type, f"{name} is written as {written[name]} and its default is a {each.type}"
        assert each.type in (str, bool) or each.choices or each.low is not None, f"{name} has no range"
    assert hash(config_class()) == hash(config_class()), "a config is frozen"


def test_every_experiment_says_what_it_is(member: type[Experiment]) -> None:
    assert member.__doc__
    assert member.__doc__.strip()
    for phase in member.phases:
        assert getattr(member, phase).__doc__ or member is Walk, f"{phase} says nothing"


def test_every_frame_travels_and_leaves_the_run_as_it_was(member: type[Experiment]) -> None:
    looked_at, alone = Run(member, {}, 5), Run(member, {}, 5)
    for step in range(3):
        frame = looked_at.frame()
        assert frame.step == step
        assert all(math.isfinite(value) for value in frame.metrics.values())
        assert differences(looked_at.frame(), frame) == []
        looked_at.advance()
        alone.advance()
    assert differences(looked_at.frame(), alone.frame()) == []


def test_every_frame_stays_as_it_was_when_the_run_goes_on(member: type[Experiment]) -> None:
    run = Run(member, {}, 5)
    run.advance()
    frame = run.frame()
    before = wire.encode(frame)
    run.advance()
    assert wire.encode(frame) == before


def test_every_step_is_the_sum_of_its_phases(member: type[Experiment]) -> None:
    whole, slow = Run(member, {}, 5), Run(member, {}, 5)
    whole.advance()
    for phase in member.phases or ("",):
        slow.advance_phase()
        assert slow.frame().phase == phase
    if member.phases:
        slow.advance_phase()
        slow.advance()  # what slow motion left of the second step
        whole.advance()
    slow.advance()  # a frame between two phases may show more than one between two steps
    whole.advance()
    assert differences(slow.frame(), whole.frame()) == []


def test_every_run_goes_on_from_its_checkpoint(member: type[Experiment], tmp_path: Path) -> None:
    if member.id == "reinforcement/atari_training":
        pytest.skip("what was learned is kept, but the native games cannot be: they begin anew")
    run = Run(member, {}, 5)
    run.advance()
    run.advance()
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(member, tmp_path / "some.checkpoint")
    for _ in range(2):
        assert differences(copy.frame(), run.frame()) == []
        run.advance()
        copy.advance()
    assert differences(copy.frame(), run.frame()) == []


def test_every_experiment_refuses_an_event_that_makes_no_sense(member: type[Experiment]) -> None:
    run = Run(member, {}, 5)
    before = wire.encode(run.frame())
    with pytest.raises(Plain) as refusal:
        run.send({"kind": "nonsense"})
    assert refusal.value.code == "event_unknown"
    assert wire.encode(run.frame()) == before
