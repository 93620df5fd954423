"""Advances many runs in one process, fairly, and makes their frames within a budget.

It knows no process, socket or page: commands go in through `handle`, answers come out through `send`, and
`turn` does a slice of work. The same object serves in a worker process, a thread, or a cluster's actor.

Commands and answers are tuples that begin with a word and a run's key:
    in:  ("open", key, experiment id, values, seed, checkpoint or None, playing) ("operate", key, serial, operation)
         ("watch", key, yes or no) ("credit", key) ("save", key) ("close", key)
    out: ("status", key, {...}) ("frame", key, serial, step, bytes) ("saved", key, step)
         ("notice", key, serial, code, details)
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from shared.live import registry, wire
from shared.live.experiment import Experiment, Plain, knobs
from shared.live.run import Run

SLICE = 0.008  # s a run may keep the process: short enough to answer a click, long enough to cost nothing
FRAMES_PER_SECOND = 60.0
FAST_FRAMES_PER_SECOND = 2.0
EARLY = 0.9  # of the time between two frames must have passed where each step is to be seen
PHASE_SECONDS = 0.8  # a phase stays on the screen in slow motion
STATUS_SECONDS = 0.25
WEIGH_SECONDS = 0.25  # between two looks at the memory while one run has the process to itself: a look is not cheap
CHECKPOINT_SECONDS = 3.0
CHECKPOINT_SHARE = 0.02  # of a run's time may go into checkpoints
FRAMES_AHEAD = 2  # frames sent and not yet taken…
STALE_SECONDS = 0.1  # …but a frame that waits for a slow viewer is made anew after this
MEMORY_MB = 2048  # that one run may add to the process
OPERATIONS = 32  # that one run may have waiting

# Name → seconds between two steps, or, of those in BY_PHASE, between two phases; None = no wait, but "max" keeps to the
# run's own time where it has one.
SPEEDS: dict[str, float | None] = {
    "slow": PHASE_SECONDS, "quarter": 1 / 15, "game": 1 / 60, "1": 1.0, "10": 0.1, "max": None, "fast": None,
}  # fmt: skip
BY_PHASE = ("slow", "quarter", "game")

Send = Callable[[tuple[Any, ...]], None]


@dataclass
class Seat:
    """A run in the scheduler's circle, and what is known of its time."""

    key: str
    run: Run
    playing: bool = False
    speed: str = "max"
    watched: bool = False
    credit: int = FRAMES_AHEAD
    inbox: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)  # operations not yet applied
    serial: int = 0  # the last operation applied
    frame_owed: bool = True  # something changed that a watcher has not seen
    answer_owed: bool = False  # a person did something and waits to see it
    message: Plain | None = None
    failed: bool = False
    used: float = 0.0  # s of the process this run has had, on the scale by which turns are shared out
    next_step_at: float = 0.0
    stepped: float = 0.0  # s of steps since the last frame
    frame_at: float = 0.0  # when the last one was due
    frame_seconds: float = 0.0  # what a frame costs, smoothed
    status_at: float = 0.0
    saved_at: float = 0.0
    save_seconds: float = 0.0
    unsaved: bool = False
    rate_from: tuple[float, int] = (0.0, 0)
    steps_per_second: float = 0.0
    memory: float = 0.0  # MB the process grew by in this run's hands

    @property
    def state(self) -> str:
        if self.failed:
            return "failed"
        if self.run.experiment.done:
            return "done"
        return "playing" if self.playing else "paused"

    @property
    def wait(self) -> float:
        """Seconds from one step to the next; 0 = none."""
        own = self.run.experiment.tick_seconds if self.speed == "max" else 0.0
        return SPEEDS[self.speed] or own

    def due(self, now: float) -> bool:
        """A step may be taken now."""
        return self.playing and not self.failed and now >= self.next_step_at


class Scheduler:
    """The circle of runs of one process.

    send:      takes each answer.
    directory: where checkpoints go, one file a run.
    entering:  told the key and the seconds allowed before each piece of an experiment's code is run, and ("", 0)
               after it: by this a watchdog tells a hang and whom to blame.
    """

    def __init__(self, send: Send, directory: Path, entering: Callable[[str, float], None] = lambda *_: None) -> None:
        self.send = send
        self.directory = directory
        self.entering = entering
        self.seats: dict[str, Seat] = {}
        self.clock = 0.0  # s: what the run in hand has used
        self.process = psutil.Process()
        self.memory = self.process.memory_info().rss / 2**20
        self.weighed_at = 0.0
        self.in_hand: Seat | None = None  # whose turn was the last: what the process grew by since is this run's

    # -- commands ---------------------------------------------------------------------------------------

    def handle(self, command: tuple[Any, ...]) -> None:
        """Carry out one command. What goes wrong is answered, never raised."""
        word, key, *rest = command
        if word == "open":
            self._open(key, *rest)
        elif key in self.seats:
            getattr(self, f"_{word}")(self.seats[key], *rest)

    def _open(
        self, key: str, experiment_id: str, values: Mapping[str, object], seed: int, saved: str | None, playing: bool
    ) -> None:
        self._weigh(self.in_hand)
        self.entering(key, 60.0)
        try:
            experiment_class = registry.find(experiment_id)
            run = self._resumed(experiment_class, values, seed, saved) or Run(experiment_class, values, seed)
        except Exception as error:
            problem = error if isinstance(error, Plain) else _plain(error, 0)
            self.send(("status", key, {"state": "failed", "step": 0, "message": problem.as_json(), "lost": True}))
            self.memory = self.process.memory_info().rss / 2**20
            return
        finally:
            self.entering("", 0.0)
        self.seats[key] = seat = Seat(
            key, run, playing=playing, speed=run.experiment_class.speed, saved_at=time.perf_counter()
        )
        self._status(seat)
        self._weigh(seat)

    def _resumed(
        self, experiment_class: type[Experiment], values: Mapping[str, object], seed: int, saved: str | None
    ) -> Run | None:
        """The run of a checkpoint with its live knobs where they stand now; None where it is another run's."""
        if not saved or not Path(saved).exists():
            return None
        run = Run.load(experiment_class, Path(saved))
        moved = {name: value for name, value in values.items() if run.values[name] != value}
        if run.seed != seed or not all(knobs(experiment_class.config_class())[name].live for name in moved):
            return None
        for name, value in moved.items():
            run.set_knob(name, value)
        return run

    def _close(self, seat: Seat) -> None:
        del self.seats[seat.key]

    def _watch(self, seat: Seat, watched: bool) -> None:
        seat.watched = watched
        seat.frame_owed = seat.frame_owed or watched
        seat.credit = FRAMES_AHEAD

    def _credit(self, seat: Seat) -> None:
        seat.credit = min(FRAMES_AHEAD, seat.credit + 1)

    def _save(self, seat: Seat) -> None:
        self._checkpoint(seat)

    def _operate(self, seat: Seat, serial: int, operation: Mapping[str, Any]) -> None:
        """Take an operation of a person's. It is applied in its run's own turn: the others do not pay for it."""
        if seat.inbox and operation["op"] == "knob":
            _, last = seat.inbox[-1]
            if (last["op"], last.get("name")) == ("knob", operation["name"]):
                seat.inbox.pop()  # a slider on its way: the newest wins
        if len(seat.inbox) < OPERATIONS:
            seat.inbox.append((serial, operation))
        else:
            self.send(("notice", seat.key, serial, "too_many_messages", {}))

    def _obey(self, seat: Seat) -> None:
        """Apply the next operation. A refusal is answered to whoever sent it; the run goes on."""
        serial, operation = seat.inbox.pop(0)
        self.entering(seat.key, 60.0)
        try:
            self._apply(seat, operation)
        except Plain as refusal:
            self.send(("notice", seat.key, serial, refusal.code, refusal.as_json()["details"]))
        except Exception as error:
            self._fail(seat, _plain(error, seat.run.step_count))
        finally:
            self.entering("", 0.0)
        seat.serial = serial
        seat.frame_owed = seat.answer_owed = seat.unsaved = True
        self._status(seat)

    def _apply(self, seat: Seat, operation: Mapping[str, Any]) -> None:
        op, ended = operation["op"], seat.run.experiment.done
        if op == "play":
            if not seat.playing:
                seat.rate_from = (time.perf_counter(), seat.run.step_count)
            seat.playing, seat.next_step_at = not seat.failed and not seat.run.experiment.done, 0.0
        elif op == "pause":
            seat.playing = False
        elif op in ("step", "phase"):
            seat.playing = False
            if not seat.failed and not seat.run.experiment.done:
                self._step(seat, by_phase=op == "phase")
        elif op == "speed":
            seat.speed, seat.next_step_at = operation["value"], 0.0
        elif op == "knob":
            seat.run.set_knob(operation["name"], operation["value"])
        elif op == "event":
            seat.run.send(operation["event"])
            seat.saved_at = 0.0  # what a person drew is worth more than a few steps: keep it soon
        elif op == "configure":
            self._replace(seat, seat.run.again(operation["config"], seat.run.seed))
        elif op == "seed":
            self._replace(seat, seat.run.again({}, operation["value"]))
        elif op == "reset":
            self._replace(seat, seat.run.again({}, seat.run.seed))
        # It stopped because nothing was left to do; a new setting gave it something: another text, another question.
        if ended and op in ("knob", "configure"):
            seat.playing = not seat.failed and not seat.run.experiment.done

    def _replace(self, seat: Seat, run: Run) -> None:
        seat.run, seat.failed, seat.message = run, False, None
        seat.stepped = seat.steps_per_second = seat.memory = seat.saved_at = 0.0
        seat.rate_from = (time.perf_counter(), 0)

    # -- work -------------------------------------------------------------------------------------------

    def turn(self) -> float:
        """Do one slice of work. Returns how many seconds may pass before the next one (0 = call again at once)."""
        now = time.perf_counter()
        for seat in self.seats.values():
            if seat.unsaved and not seat.playing and now - seat.saved_at >= CHECKPOINT_SECONDS:
                self._checkpoint(seat)
        waiting = [s for s in self.seats.values() if s.inbox or s.due(now) or self._overdue(s, now)]
        if not waiting:
            steps = [seat.next_step_at - now for seat in self.seats.values() if seat.playing]
            frames = [0.01 for seat in self.seats.values() if seat.frame_owed and seat.watched and not seat.failed]
            return min(steps + frames, default=0.5)
        seat = min(waiting, key=lambda seat: seat.used)
        # Whoever waited of its own accord, paused or slow, has no claim on the time that the others had meanwhile.
        seat.used = self.clock = max(self.clock, seat.used)
        start = time.perf_counter()
        if seat is not self.in_hand:
            self._weigh(self.in_hand)
        self.in_hand = seat
        if seat.inbox:
            self._obey(seat)
            self.weighed_at = 0.0
        now = time.perf_counter()
        if seat.due(now):
            self._slice(seat)
        elif self._overdue(seat, now):
            self._show(seat)
        now = time.perf_counter()
        seat.used += now - start
        if now - self.weighed_at >= WEIGH_SECONDS:
            self._weigh(seat)
        return 0.0

    def _slice(self, seat: Seat) -> None:
        """Give one run its short while: steps, then the frame that is due, then its housekeeping."""
        if seat.watched and seat.frame_owed and not seat.run.step_count:
            self._show(seat)  # where it begins is seen, even of a run whose very first step fails
        start = now = time.perf_counter()
        while seat.due(now) and now - start < SLICE:
            self._step(seat, by_phase=seat.speed in BY_PHASE)
            now = time.perf_counter()
            if self._frame_due(seat, now):
                self._show(seat)
                break
        now = time.perf_counter()
        if now - seat.saved_at >= max(CHECKPOINT_SECONDS, seat.save_seconds / CHECKPOINT_SHARE):
            self._checkpoint(seat)
        if now - seat.status_at >= STATUS_SECONDS or seat.state != "playing":
            self._status(seat)

    def _step(self, seat: Seat, by_phase: bool = False) -> None:
        start = time.perf_counter()
        self.entering(seat.key, seat.run.experiment.step_seconds)
        try:
            seat.run.advance_phase() if by_phase else seat.run.advance()
            seat.message = None
            seat.frame_owed = seat.unsaved = True
        except Exception as error:
            self._fail(seat, error if isinstance(error, Plain) else _plain(error, seat.run.step_count))
        finally:
            self.entering("", 0.0)
        seat.stepped += time.perf_counter() - start
        # A step that came a little late does not put off those that follow.
        late, wait = start - seat.next_step_at, seat.wait
        seat.next_step_at = start + wait - (late if late < wait else 0.0) if wait else 0.0
        if seat.run.experiment.done:
            seat.playing = False

    def _frame_due(self, seat: Seat, now: float) -> bool:
        """Newest wins, at most 60 a second, and only from time that the run has earned by stepping."""
        if seat.failed or not seat.watched:
            return False
        if seat.answer_owed:
            return True
        if not self._wanted(seat, now):
            return False
        if SPEEDS[seat.speed] is not None:  # no speed with a wait is above 60 steps a second
            return True
        limit = FAST_FRAMES_PER_SECOND if seat.speed == "fast" else FRAMES_PER_SECOND
        # Of a run with a time of its own each step is shown, even where one comes a little early.
        if now < seat.frame_at + (EARLY if seat.wait else 1.0) / limit:
            return False
        share = seat.run.experiment.frame_share
        return seat.next_step_at > now or seat.stepped * share >= seat.frame_seconds * (1 - share)

    def _overdue(self, seat: Seat, now: float) -> bool:
        """Between its steps, the run has something new that a watcher has not seen."""
        if seat.failed or not seat.watched or not seat.frame_owed or seat.due(now):
            return False
        return now >= seat.frame_at + 1 / FRAMES_PER_SECOND and (seat.answer_owed or self._wanted(seat, now))

    def _wanted(self, seat: Seat, now: float) -> bool:
        """Who watches has taken the frames before, or would find them stale."""
        return seat.credit > 0 or now - seat.frame_at > STALE_SECONDS

    def _show(self, seat: Seat) -> None:
        """Make a frame and send it."""
        start = time.perf_counter()
        seat.frame_owed = seat.answer_owed = False
        self.entering(seat.key, seat.run.experiment.step_seconds)
        try:
            message = wire.encode(seat.run.frame())
            cost = time.perf_counter() - start
            self.send(("frame", seat.key, seat.serial, seat.run.step_count, message))
            seat.credit = max(0, seat.credit - 1)
        except Exception as error:
            cost = time.perf_counter() - start
            self._fail(seat, error if isinstance(error, Plain) else _plain(error, seat.run.step_count))
        finally:
            self.entering("", 0.0)
        # A frame that comes a little late, after a step, does not make the next one late too.
        period = 1 / FRAMES_PER_SECOND
        seat.frame_at = min(start, max(seat.frame_at + period, start - period))
        seat.frame_seconds = cost if not seat.frame_seconds else 0.8 * seat.frame_seconds + 0.2 * cost
        seat.stepped = 0.0

    def _fail(self, seat: Seat, problem: Plain) -> None:
        seat.failed, seat.playing, seat.message = True, False, problem
        self._status(seat)

    def _checkpoint(self, seat: Seat) -> None:
        """Keep the run on disk, between two steps of a run that is well. One that cannot be kept plays on without."""
        if seat.failed or seat.run.experiment.phase_index:
            return
        start = time.perf_counter()
        self.entering(seat.key, 60.0)
        try:
            seat.run.save(self.directory / f"{seat.key}.checkpoint")
            self.send(("saved", seat.key, seat.run.step_count))
        except Exception:
            logging.getLogger(__name__).exception("no checkpoint of %s", seat.run.experiment_class.id)
        finally:
            self.entering("", 0.0)
        seat.unsaved = False
        seat.saved_at = time.perf_counter()
        seat.save_seconds = seat.saved_at - start

    def _weigh(self, seat: Seat | None) -> None:
        """Put the process's growth down to the run that was in hand, and let go of one that grows too large."""
        held = self.process.memory_info().rss / 2**20
        grown, self.memory, self.weighed_at = held - self.memory, held, time.perf_counter()
        if seat is None or self.seats.get(seat.key) is not seat:
            return
        seat.memory = max(0.0, seat.memory + grown)
        if seat.memory > MEMORY_MB:
            del self.seats[seat.key]
            self._fail(seat, Plain("memory", limit=MEMORY_MB))

    def _status(self, seat: Seat) -> None:
        now = time.perf_counter()
        since, steps = seat.rate_from
        if now - since >= 1.0:
            seat.steps_per_second = (seat.run.step_count - steps) / (now - since)
            seat.rate_from = (now, seat.run.step_count)
        seat.status_at = now
        status = {
            "state": seat.state,
            "step": seat.run.step_count,
            "steps_per_second": round(seat.steps_per_second, 2) if seat.playing else 0.0,
            "speed": seat.speed,
            "config": seat.run.values,
            "seed": seat.run.seed,
            "phase": seat.run.phase,
            "message": seat.message.as_json() if seat.message else None,
            "lost": seat.key not in self.seats,
        }
        self.send(("status", seat.key, status))


def _plain(error: Exception, step: int) -> Plain:
    """An experiment's own failure, as a sentence."""
    return Plain("experiment_error", step=step, error=f"{type(error).__name__}: {error}"[:200])
