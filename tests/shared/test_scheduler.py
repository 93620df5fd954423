"""Turns are shared out fairly, frames are made only when wanted and within their budget, and nothing said is lost.

Time here is that of a clock which only work and waiting move, so that a busy machine changes nothing: a step takes
as long as it says.
"""

import gc
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.live import scheduler as module
from shared.live import wire
from shared.live.experiment import Experiment, Frame, Plain
from shared.live.run import Run
from shared.live.scheduler import OPERATIONS, Scheduler, Seat
from tests.shared import experiments
from tests.shared.experiments import Walk, WalkConfig

pytestmark = pytest.mark.processes

PATIENCE = 60.0  # s, of the clock's
LOOK = 5e-6  # s that pass whenever somebody looks at the clock, as a few lines of code would take


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        self.now += LOOK
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Desk:
    """A scheduler in this process, with everything it answered, and the time it spent on each run."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.clock = clock
        self.answers: list[tuple[Any, ...]] = []
        self.frames: list[tuple[Any, ...]] = []  # key, serial, step, bytes
        self.spent: Counter[str] = Counter()
        self.in_hand = ""
        self.scheduler = Scheduler(self.answer, directory, self.entering)
        self.serial = itertools.count(1)

    def answer(self, answer: tuple[Any, ...]) -> None:
        self.answers.append(answer)
        if answer[0] == "frame":
            self.frames.append(answer[1:])

    def entering(self, key: str, seconds: float) -> None:
        self.in_hand = key or self.in_hand

    def open(self, key: str, watched: bool = True, seed: int = 0, playing: bool = False, **values: object) -> Seat:
        self.scheduler.handle(("open", key, "tests/walk", values, seed, None, playing))
        self.scheduler.handle(("watch", key, watched))
        return self.scheduler.seats[key]

    def sit(self, key: str, member: type[Experiment], **values: object) -> Seat:
        """A run of a class that is in no registry."""
        seat = self.scheduler.seats[key] = Seat(key, Run(member, values, 0), watched=True)
        self.scheduler._status(seat)
        return seat

    def do(self, key: str, op: str, **fields: object) -> int:
        serial = next(self.serial)
        self.scheduler.handle(("operate", key, serial, {"op": op, **fields}))
        return serial

    def turn(self, acknowledge: bool = True) -> None:
        """One turn, and the wait it asks for; whoever watches takes every frame."""
        before, start = len(self.frames), self.clock.now
        wait = self.scheduler.turn()
        self.spent[self.in_hand] += self.clock.now - start  # type: ignore[assignment]
        if acknowledge:
            for key, *_ in self.frames[before:]:
                self.scheduler.handle(("credit", key))
        self.clock.sleep(max(0.0, wait))

    def until(self, condition: Callable[[], object], acknowledge: bool = True) -> None:
        deadline = self.clock.now + PATIENCE
        while not condition():
            assert self.clock.now < deadline
            self.turn(acknowledge)

    def during(self, seconds: float) -> float:
        """Turn for so long; how long it came to."""
        start = self.clock.now
        while self.clock.now - start < seconds:
            self.turn()
        return self.clock.now - start

    def settle(self) -> None:
        """Until nothing is left to be done: every operation applied, every frame shown."""
        seats = self.scheduler.seats.values()
        self.until(lambda: not any(seat.inbox or (seat.frame_owed and not seat.failed) for seat in seats))

    def steps(self, key: str) -> int:
        return self.scheduler.seats[key].run.step_count

    def status(self, key: str) -> dict[str, Any]:
        return next(answer[2] for answer in reversed(self.answers) if answer[:2] == ("status", key))

    def notices(self, key: str) -> list[tuple[int, str]]:
        return [(answer[2], answer[3]) for answer in self.answers if answer[:2] == ("notice", key)]

    def shown(self, key: str) -> list[dict[str, Any]]:
        """The headers of a run's frames."""
        return [wire.header_of(frame) for name, _, _, frame in self.frames if name == key]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(experiments, "time", clock)
    return clock


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    return Desk(tmp_path, clock)


# -- fairness ----------------------------------------------------------------------------------------------


def test_twenty_runs_get_equal_time_whatever_their_steps_cost(desk: Desk) -> None:
    keys = [f"run{i}" for i in range(20)]
    for i, key in enumerate(keys):
        desk.open(key, watched=False, playing=True, milliseconds=i / 2)
    desk.scheduler.turn()
    desk.spent.clear()

    mean = desk.during(3.0) / 20
    assert {key: desk.spent[key] for key in keys} == pytest.approx(dict.fromkeys(keys, mean), rel=0.2)
    assert desk.steps("run0") > 5 * desk.steps("run19")  # equal time, not equal steps


def test_whoever_comes_later_has_no_claim_on_the_past(desk: Desk) -> None:
    desk.open("first", watched=False, playing=True, milliseconds=1)
    desk.during(0.6)
    desk.open("second", watched=False, milliseconds=1)
    desk.do("second", "play")
    desk.spent.clear()
    desk.during(0.4)
    assert desk.spent["first"] > 0.25 * (desk.spent["first"] + desk.spent["second"])
    assert desk.spent["second"] > 0.25 * (desk.spent["first"] + desk.spent["second"])


@pytest.mark.parametrize("rest", ["pause", "slow"])
def test_whoever_rested_has_no_claim_on_the_past(desk: Desk, rest: str) -> None:
    for key in ("busy", "rested"):
        desk.open(key, watched=False, playing=True, milliseconds=1)
    if rest == "pause":
        desk.do("rested", "pause")
    else:
        desk.do("rested", "speed", value="slow")
    desk.during(0.8)
    desk.do("rested", "speed", value="max")
    desk.do("rested", "play")
    desk.spent.clear()
    desk.during(0.4)
    assert desk.spent["busy"] > 0.25 * (desk.spent["busy"] + desk.spent["rested"])


def test_a_new_run_is_not_held_back_by_a_slow_one(desk: Desk) -> None:
    """A run in slow motion has used little; that is no measure for the others."""
    desk.open("slow", watched=False, playing=True)
    desk.do("slow", "speed", value="slow")
    desk.open("busy", watched=False, playing=True, milliseconds=1)
    desk.during(0.8)
    desk.open("new", watched=False, playing=True, milliseconds=1)
    desk.spent.clear()
    desk.during(0.4)
    assert desk.spent["busy"] > 0.25 * (desk.spent["busy"] + desk.spent["new"])


def test_a_flood_of_operations_costs_only_its_own_run(desk: Desk) -> None:
    desk.open("flooding", watched=False, milliseconds=20)
    desk.open("other", watched=False, playing=True, milliseconds=1)
    desk.turn()
    for _ in range(OPERATIONS):
        desk.do("flooding", "step")
    desk.spent.clear()
    desk.until(lambda: desk.steps("flooding") == OPERATIONS)
    assert desk.spent["other"] > 0.3 * (desk.spent["other"] + desk.spent["flooding"])


def test_more_operations_than_a_run_can_keep_up_with_are_refused_in_words(desk: Desk) -> None:
    desk.open("flooding")
    serials = [desk.do("flooding", "step") for _ in range(OPERATIONS + 3)]
    assert desk.notices("flooding") == [(serial, "too_many_messages") for serial in serials[OPERATIONS:]]
    desk.settle()
    assert desk.steps("flooding") == OPERATIONS


def test_of_a_sliders_way_the_newest_value_wins(desk: Desk) -> None:
    desk.open("run")
    for i in range(OPERATIONS * 3):
        last = desk.do("run", "knob", name="scale", value=i / 100)
    assert desk.notices("run") == []
    desk.settle()
    assert desk.status("run")["config"]["scale"] == (OPERATIONS * 3 - 1) / 100
    assert desk.frames[-1][1] == last


# -- the same frames in any company ------------------------------------------------------------------------


def test_a_run_beside_twenty_others_gives_the_frames_it_gives_alone(desk: Desk) -> None:
    alone = Run(Walk, {"fate": "end", "at": 150}, 7)
    expected = {0: wire.encode(alone.frame())}
    while not alone.experiment.done:
        alone.advance()
        expected[alone.step_count] = wire.encode(alone.frame())

    desk.open("run", seed=7, fate="end", at=150)
    for i in range(20):
        desk.open(f"other{i}", seed=i, watched=i % 2 == 0, playing=True, milliseconds=i / 20)
    desk.do("run", "play")
    desk.until(lambda: desk.frames and any(key == "run" and step == 150 for key, _, step, _ in desk.frames))
    found = {step: frame for key, _, step, frame in desk.frames if key == "run"}
    assert len(found) > 2
    assert all(frame == expected[step] for step, frame in found.items())


# -- frames ------------------------------------------------------------------------------------------------


def test_nobody_watching_means_no_frames(desk: Desk) -> None:
    desk.open("run", watched=False, playing=True)
    desk.until(lambda: desk.steps("run") > 50)
    assert desk.frames == []
    desk.scheduler.handle(("watch", "run", True))
    desk.until(lambda: desk.frames)
    desk.scheduler.handle(("watch", "run", False))
    count, step = len(desk.frames), desk.steps("run")
    desk.until(lambda: desk.steps("run") > step + 50)
    assert len(desk.frames) == count


@pytest.mark.parametrize(("speed", "limit"), [("max", 60), ("fast", 2)])
def test_a_playing_run_shows_no_more_frames_than_its_speed_allows(desk: Desk, speed: str, limit: int) -> None:
    desk.open("run", milliseconds=1)
    desk.do("run", "speed", value=speed)
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") > 3)
    desk.frames.clear()
    took = desk.during(2.0)
    assert 0.8 * limit * took - 1 <= len(desk.frames) <= limit * took + 1


def test_clicks_on_a_paused_run_make_no_more_than_sixty_frames_a_second(desk: Desk) -> None:
    desk.open("run")
    desk.settle()
    desk.frames.clear()
    start = desk.clock.now
    while desk.clock.now - start < 0.5:
        desk.do("run", "step")
        desk.turn()
        desk.clock.sleep(0.002)
    assert 25 <= len(desk.frames) <= 31


class Painter(Walk):
    """Frames that cost as much as several steps."""

    id = "tests/painter"

    def frame(self) -> Frame:
        experiments.time.sleep(0.02)
        return super().frame()


@pytest.mark.parametrize("milliseconds", [1, 5, 100])
def test_costly_frames_take_at_most_a_fifth_of_the_time(desk: Desk, milliseconds: float) -> None:
    desk.sit("run", Painter, milliseconds=milliseconds)
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") > 3)
    desk.frames.clear()
    took = desk.during(10.0)
    share = 0.02 * len(desk.frames) / took
    assert share == pytest.approx(0.2 if milliseconds < 80 else 0.02 / 0.12, rel=0.1)
    assert share <= 0.21


def test_a_single_step_always_shows_its_frame(desk: Desk) -> None:
    desk.open("run")
    desk.settle()
    for step in range(1, 6):
        serial = desk.do("run", "step")
        desk.until(lambda: desk.frames[-1][1] == serial, acknowledge=False)  # noqa: B023
        assert desk.frames[-1][2] == step


def test_a_slow_viewer_gets_fewer_frames_and_fresh_ones(desk: Desk) -> None:
    """Somebody who takes nothing: the run goes on, and what waits for them is made anew ten times a second."""
    desk.open("run", playing=True, milliseconds=1)
    desk.until(lambda: desk.steps("run") > 3, acknowledge=False)
    desk.frames.clear()
    start = desk.clock.now
    desk.until(lambda: len(desk.frames) >= 10, acknowledge=False)
    assert desk.clock.now - start >= 7 * module.STALE_SECONDS
    assert desk.frames[-1][2] > desk.frames[0][2]
    assert desk.steps("run") > desk.frames[-1][2] - 1


@pytest.mark.parametrize("playing", [False, True])
def test_the_next_frame_shows_an_operation(desk: Desk, playing: bool) -> None:
    desk.open("run", playing=playing)
    desk.until(lambda: desk.frames)
    for value in (0.5, 0.25, 0.0):
        serial = desk.do("run", "knob", name="scale", value=value)
        count = len(desk.frames)
        desk.until(lambda: len(desk.frames) > count)  # noqa: B023
        assert desk.frames[count][1] == serial
        assert desk.status("run")["config"]["scale"] == value


# -- steering ----------------------------------------------------------------------------------------------


def test_paused_is_not_advanced(desk: Desk) -> None:
    desk.open("run", playing=True)
    desk.until(lambda: desk.steps("run") > 3)
    desk.do("run", "pause")
    desk.settle()
    step = desk.steps("run")
    desk.during(0.2)
    assert desk.steps("run") == step
    assert (desk.status("run")["state"], desk.status("run")["step"]) == ("paused", step)


@pytest.mark.parametrize(("speed", "seconds"), [("10", 0.1), ("1", 1.0)])
def test_a_speed_is_kept(desk: Desk, speed: str, seconds: float) -> None:
    desk.open("run")
    desk.do("run", "speed", value=speed)
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") >= 1)
    step = desk.steps("run")
    start = desk.clock.now
    desk.until(lambda: desk.steps("run") >= step + 5)
    assert desk.clock.now - start == pytest.approx(5 * seconds, rel=0.1)
    desk.settle()
    assert {header["step"] for header in desk.shown("run")} >= set(range(1, step + 6))  # every step is shown


def test_a_world_with_a_time_of_its_own_keeps_it_and_shows_each_step(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(Walk, "tick_seconds", 1 / 60)
    desk.open("run")
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") >= 1)
    step, start = desk.steps("run"), desk.clock.now
    desk.until(lambda: desk.steps("run") >= step + 60)
    assert desk.clock.now - start == pytest.approx(1.0, rel=0.03)
    desk.settle()
    assert len({header["step"] for header in desk.shown("run")} & set(range(step, step + 60))) >= 57
    desk.do("run", "speed", value="fast")
    desk.settle()
    assert desk.scheduler.seats["run"].wait == 0.0


def test_slow_motion_shows_every_phase(desk: Desk) -> None:
    desk.open("run")
    desk.settle()
    desk.do("run", "speed", value="slow")
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") >= 3)
    told = [(header["step"], header["phase"]) for header in desk.shown("run") if header["phase"]]
    assert [phase for _, phase in told[:4]] == ["draw", "move", "draw", "move"]
    assert [step for step, _ in told[:4]] == [0, 1, 1, 2]


@pytest.mark.parametrize(("speed", "seconds"), [("quarter", 1 / 15), ("game", 1 / 60)])
def test_a_games_own_speed_goes_phase_by_phase_and_shows_each(desk: Desk, speed: str, seconds: float) -> None:
    desk.open("run")
    desk.settle()
    desk.do("run", "speed", value=speed)
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") >= 1)
    start = desk.clock.now
    desk.until(lambda: desk.steps("run") >= 31)
    assert desk.clock.now - start == pytest.approx(60 * seconds, rel=0.05)
    told = [(header["step"], header["phase"]) for header in desk.shown("run") if header["phase"]]
    assert told[:62] == [(step, phase) for i in range(31) for step, phase in ((i, "draw"), (i + 1, "move"))]


def test_one_phase_at_a_time(desk: Desk) -> None:
    desk.open("run")
    for phase, step in (("draw", 0), ("move", 1), ("draw", 1)):
        desk.do("run", "phase")
        desk.settle()
        assert (desk.shown("run")[-1]["phase"], desk.shown("run")[-1]["step"]) == (phase, step)
    desk.do("run", "step")  # what is left of the step
    desk.settle()
    assert (desk.shown("run")[-1]["phase"], desk.shown("run")[-1]["step"]) == ("", 2)


def test_reset_keeps_the_initial_weights_and_goes_on_playing(desk: Desk) -> None:
    desk.open("run", seed=3)
    desk.settle()
    first = desk.frames[-1][3]
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") > 20)
    desk.do("run", "pause")
    desk.do("run", "reset")
    desk.settle()
    assert desk.frames[-1][3] == first
    desk.do("run", "play")
    desk.do("run", "reset")
    desk.until(lambda: desk.steps("run") > 5)
    assert desk.status("run")["state"] == "playing"


def test_a_new_seed_is_another_run_and_the_old_one_comes_back(desk: Desk) -> None:
    desk.open("run", seed=3)
    desk.settle()
    first = desk.frames[-1][3]
    desk.do("run", "seed", value=4)
    desk.settle()
    assert desk.frames[-1][3] != first
    assert desk.frames[-1][3] == wire.encode(Run(Walk, {}, 4).frame())
    assert desk.status("run")["seed"] == 4
    desk.do("run", "seed", value=3)
    desk.settle()
    assert desk.frames[-1][3] == first


def test_configure_starts_again_with_the_new_setting(desk: Desk) -> None:
    desk.open("run", seed=3)
    desk.do("run", "step")
    desk.do("run", "configure", config={"size": 9})
    desk.settle()
    assert desk.frames[-1][3] == wire.encode(Run(Walk, {"size": 9}, 3).frame())
    assert desk.status("run")["config"]["size"] == 9


def test_a_drawing_arrives_and_a_nonsense_event_is_refused(desk: Desk) -> None:
    desk.open("run")
    desk.do("run", "event", event={"kind": "draw", "points": [[0, 1], [2, 3]]})
    desk.settle()
    assert desk.shown("run")[-1]["metrics"]["marks"] == 2
    serial = desk.do("run", "event", event={"kind": "dance"})
    desk.settle()
    assert desk.notices("run") == [(serial, "event_unknown")]
    assert desk.status("run")["state"] == "paused"


def test_a_refused_operation_leaves_the_run_as_it_was(desk: Desk) -> None:
    desk.open("run", playing=True)
    refused = [
        desk.do("run", "knob", name="scale", value=99),
        desk.do("run", "knob", name="size", value=5),
        desk.do("run", "configure", config={"size": 0}),
        desk.do("run", "configure", config={"colour": 1}),
    ]
    desk.until(lambda: not desk.scheduler.seats["run"].inbox)
    codes = ["knob_range", "knob_not_live", "knob_range", "knob_unknown"]
    assert desk.notices("run") == list(zip(refused, codes, strict=True))
    step = desk.steps("run")
    desk.until(lambda: desk.steps("run") > step + 5)
    assert desk.status("run")["state"] == "playing"


class Fussy(Walk):
    """Cannot be built in some sizes."""

    id = "tests/fussy"

    def __init__(self, config: WalkConfig, seed: int) -> None:
        if config.size == 13:
            raise Plain("knob_choice", name="size", value=13, allowed="any other")
        if config.size == 14:
            raise ValueError("fourteen is too many")
        super().__init__(config, seed)


def test_a_construction_that_fails_leaves_the_old_run(desk: Desk) -> None:
    seat = desk.sit("run", Fussy)
    old = seat.run
    serial = desk.do("run", "configure", config={"size": 13})
    desk.settle()
    assert desk.notices("run") == [(serial, "knob_choice")]
    assert seat.run is old
    desk.do("run", "step")
    desk.settle()
    assert desk.steps("run") == 1

    desk.do("run", "configure", config={"size": 14})
    desk.until(lambda: desk.status("run")["state"] == "failed")
    assert "fourteen is too many" in desk.status("run")["message"]["details"]["error"]
    assert desk.status("run")["config"]["size"] == 4
    desk.do("run", "reset")
    desk.settle()
    assert (desk.status("run")["state"], desk.status("run")["message"]) == ("paused", None)
    assert desk.frames[-1][2] == 0


def test_an_experiment_that_cannot_be_opened_says_so(desk: Desk) -> None:
    desk.scheduler.handle(("open", "run", "tests/nothing", {}, 0, None, True))
    assert desk.status("run")["state"] == "failed"
    assert desk.status("run")["message"]["code"] == "experiment_unknown"
    assert desk.status("run")["lost"]
    desk.do("run", "play")  # nobody is there
    assert desk.scheduler.turn() > 0


# -- the end of a run --------------------------------------------------------------------------------------


def test_nan_stops_the_run_and_the_last_good_frame_stays(desk: Desk) -> None:
    desk.open("run", fate="nan", at=5)
    desk.do("run", "play")
    desk.until(lambda: desk.status("run")["state"] == "failed")
    assert desk.status("run")["message"] == {"code": "diverged", "details": {"metric": "radius", "step": 5}}
    desk.during(0.15)
    assert desk.shown("run")[-1]["step"] <= 5
    assert all(header["metrics"]["radius"] >= 0 for header in desk.shown("run"))  # NaN is not
    count = len(desk.frames)
    for op in ("play", "step", "phase", "pause"):
        desk.do("run", op)
    desk.during(0.15)
    assert desk.status("run")["state"] == "failed"
    assert len(desk.frames) == count

    desk.do("run", "knob", name="fate", value="none")
    desk.do("run", "reset")
    desk.do("run", "play")
    desk.until(lambda: desk.steps("run") > 10)
    assert desk.status("run")["message"] is None


def test_where_it_began_is_seen_even_if_the_very_first_step_fails(desk: Desk) -> None:
    desk.open("run", fate="error")
    desk.do("run", "play")
    desk.until(lambda: desk.status("run")["state"] == "failed")
    assert [header["step"] for header in desk.shown("run")] == [0]
    desk.do("run", "reset")  # it begins anew, paused, and fails again
    desk.do("run", "play")
    desk.settle()
    assert desk.status("run")["state"] == "failed"
    assert [header["step"] for header in desk.shown("run")][-1] == 0
    assert desk.frames[-1][1] >= 2  # the reset has been answered


def test_an_error_stops_the_run_in_a_sentence_and_the_other_one_goes_on(desk: Desk) -> None:
    desk.open("run", fate="error", at=5, playing=True)
    desk.open("other", playing=True)
    desk.until(lambda: desk.status("run")["state"] == "failed")
    message = desk.status("run")["message"]
    assert str(Plain(message["code"], **message["details"])) == (
        "The experiment stopped at step 5: ValueError: something odd. Press Reset to start again."
    )
    step = desk.steps("other")
    desk.until(lambda: desk.steps("other") > step + 5)


def test_a_frame_that_fails_stops_the_run(desk: Desk) -> None:
    class Blind(Walk):
        def frame(self) -> Frame:
            raise RuntimeError("nothing to see")

    desk.sit("run", Blind)
    desk.do("run", "play")
    desk.until(lambda: desk.status("run")["state"] == "failed")
    assert "nothing to see" in desk.status("run")["message"]["details"]["error"]


def test_a_run_with_nothing_left_to_do_is_done(desk: Desk) -> None:
    desk.open("run", fate="end", at=5)
    desk.do("run", "play")
    desk.until(lambda: desk.status("run")["state"] == "done")
    desk.settle()
    assert desk.shown("run")[-1]["step"] == 5
    for op in ("play", "step", "phase"):
        desk.do("run", op)
    desk.settle()
    assert (desk.steps("run"), desk.status("run")["state"]) == (5, "done")
    desk.do("run", "reset")
    desk.settle()
    assert (desk.steps("run"), desk.status("run")["state"]) == (0, "paused")


def test_a_setting_that_leaves_something_to_do_lets_a_run_go_on_that_was_done(desk: Desk) -> None:
    desk.open("run", fate="end", at=5)
    desk.do("run", "play")
    desk.until(lambda: desk.status("run")["state"] == "done")
    desk.do("run", "configure", config={"at": 8})
    desk.until(lambda: desk.steps("run") == 8)
    desk.settle()
    assert desk.status("run")["state"] == "done"
    desk.do("run", "reset")
    desk.do("run", "configure", config={"at": 9})  # a run that a person stopped stays where it is
    desk.settle()
    assert (desk.steps("run"), desk.status("run")["state"]) == (0, "paused")


def test_a_run_that_needs_too_much_memory_is_stopped_and_let_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY_MB", 150)
    desk.open("other", playing=True, milliseconds=10)
    before = desk.scheduler.process.memory_info().rss
    desk.open("run", fate="grow", at=2, playing=True, milliseconds=10)  # 200 MB a step, one step a slice
    desk.until(lambda: desk.status("run")["state"] == "failed")
    assert desk.status("run")["message"] == {"code": "memory", "details": {"limit": 150}}
    assert desk.status("run")["lost"]
    step = desk.steps("other")
    desk.until(lambda: desk.steps("other") > step + 20)
    assert desk.status("other")["state"] == "playing"
    assert desk.scheduler.process.memory_info().rss < before + 100 * 2**20, "what it held is free again"


def test_memory_that_a_reset_takes_is_put_down_to_its_own_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY_MB", 60)

    class Large(Walk):
        def __init__(self, config: WalkConfig, seed: int) -> None:
            super().__init__(config, seed)
            self.ballast = [self.place.new_ones(300, 2**18)] if config.size == 9 else []

    gc.collect()  # what other tests left must not go while this one weighs
    desk.open("other", playing=True)
    desk.sit("run", Large)
    desk.do("run", "configure", config={"size": 9})
    desk.until(lambda: desk.status("run")["state"] == "failed")
    assert desk.status("run")["message"]["code"] == "memory"
    desk.during(0.1)
    assert desk.status("other")["state"] == "playing"


# -- checkpoints -------------------------------------------------------------------------------------------


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.05)
    monkeypatch.setattr(module, "CHECKPOINT_SHARE", 1.0)


def saved(desk: Desk, key: str) -> list[int]:
    return [answer[2] for answer in desk.answers if answer[:2] == ("saved", key)]


@pytest.mark.usefixtures("often")
def test_a_run_goes_on_from_its_checkpoint_as_if_nothing_had_been(desk: Desk, tmp_path: Path) -> None:
    desk.open("run", seed=7, playing=True)
    desk.until(lambda: len(saved(desk, "run")) > 1)
    step = saved(desk, "run")[-1]
    alone = Run(Walk, {}, 7)
    for _ in range(step):
        alone.advance()

    later = Desk(tmp_path, desk.clock)
    later.scheduler.handle(("open", "run", "tests/walk", {}, 7, str(tmp_path / "run.checkpoint"), False))
    later.scheduler.handle(("watch", "run", True))
    later.settle()
    assert later.frames[-1][3] == wire.encode(alone.frame())


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("change", [{"seed": 8}, {"size": 9}])
def test_a_checkpoint_of_another_run_is_not_taken(desk: Desk, tmp_path: Path, change: dict[str, int]) -> None:
    desk.open("run", seed=7, playing=True)
    desk.until(lambda: saved(desk, "run"))
    later = Desk(tmp_path, desk.clock)
    values = {name: value for name, value in change.items() if name != "seed"}
    seed = change.get("seed", 7)
    later.scheduler.handle(("open", "run", "tests/walk", values, seed, str(tmp_path / "run.checkpoint"), False))
    assert later.steps("run") == 0


@pytest.mark.usefixtures("often")
def test_a_paused_run_is_kept_while_another_plays(desk: Desk) -> None:
    desk.open("other", playing=True)
    desk.open("run")
    desk.do("run", "step")
    desk.until(lambda: saved(desk, "run") == [1])


@pytest.mark.usefixtures("often")
def test_a_checkpoint_is_taken_between_two_steps(desk: Desk) -> None:
    desk.open("run")
    desk.do("run", "phase")
    desk.settle()
    before = len(saved(desk, "run"))
    desk.during(0.15)
    assert len(saved(desk, "run")) == before
    desk.do("run", "phase")
    desk.until(lambda: len(saved(desk, "run")) > before)
    assert saved(desk, "run")[-1] == 1


@pytest.mark.usefixtures("often")
def test_a_run_that_cannot_be_kept_plays_on(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    class Unkept(Walk):
        id = "tests/unkept"

        def state_dict(self) -> dict[str, Any]:
            raise RuntimeError("not this one")

    desk.sit("run", Unkept)
    desk.do("run", "play")
    desk.until(lambda: "no checkpoint of tests/unkept" in caplog.text)
    step = desk.steps("run")
    desk.until(lambda: desk.steps("run") > step + 20)
    assert desk.status("run")["state"] == "playing"


def test_commands_for_a_run_that_is_gone_are_ignored(desk: Desk) -> None:
    desk.open("run")
    desk.scheduler.handle(("close", "run"))
    for command in (("close", "run"), ("watch", "run", True), ("credit", "run"), ("save", "run")):
        desk.scheduler.handle(command)
    desk.do("run", "play")
    desk.scheduler.turn()
    assert "run" not in desk.scheduler.seats


def test_a_watchdog_is_told_whose_code_runs_and_for_how_long_it_may(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    scheduler = Scheduler(lambda _: None, tmp_path, lambda key, seconds: told.append((key, seconds)))
    scheduler.handle(("open", "run", "tests/walk", {}, 0, None, False))
    scheduler.handle(("operate", "run", 1, {"op": "step"}))
    scheduler.turn()
    assert ("run", Walk.step_seconds) in told
    assert ("run", 60.0) in told
    assert {key for key, _ in told} == {"run", ""}
    assert told[-1] == ("", 0.0)
