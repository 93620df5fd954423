"""The engine: knows every run, places it in a worker, hands its newest frame to whoever watches, and brings it
back when its worker dies."""

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shared.live import registry
from shared.live.experiment import Plain, configure, knobs
from shared.live.history import History, Room
from shared.live.hosts import ProcessHost

Role = Literal["owner", "viewer"]
ACTIONS = 500  # of one viewer that may wait for the frame that shows them


@dataclass(frozen=True)
class Limits:
    """How much there may be of each thing. Seconds, bytes, counts."""

    runs_session: int = 8
    runs_all: int = 64
    history_run: int = 6 * 2**20
    history_all: int = 96 * 2**20
    pause_after: float = 10.0  # s without anybody watching
    free_after: float = 600.0
    forget_after: float = 24 * 3600.0
    slow_after: float = 1.5  # s in one step, then the stage says so
    idle_silence: float = 10.0  # s that an idle worker may be silent
    stuck: float = 5.0  # times as long a step may take that does not even compute; a busy machine is no hang
    deaths: int = 2


@dataclass(frozen=True)
class Tickets:
    """What opens a run: the owner's token steers, the viewer's only watches."""

    owner: str
    viewer: str


@dataclass
class LiveRun:
    """All that the engine knows of one run."""

    key: str
    experiment_id: str
    values: dict[str, Any]
    seed: int
    session: str
    place: str
    tickets: Tickets
    history: History
    host: ProcessHost | None = None
    status: dict[str, Any] = field(default_factory=lambda: {"state": "loading", "step": 0})
    wishes_to_play: bool = False
    speed: str = "max"
    serial: int = 0  # operations sent so far
    begun: int = 0  # the operation with which its present history began
    sequence: int = 0  # frames received so far
    frame: bytes = b""
    frame_serial: int = 0  # the last operation that `frame` shows
    compressed: tuple[int, bytes] = (0, b"")
    notice: dict[str, Any] | None = None
    saved_step: int = 0
    deaths: int = 0
    viewers: set["Viewer"] = field(default_factory=set)
    unwatched_since: float = field(default_factory=time.monotonic)


class Viewer:
    """One stage that watches one run. `wake` is called, on any thread, when there is something new for it."""

    def __init__(self, engine: "Engine", run: LiveRun, role: Role, wake: Callable[[], None]) -> None:
        self.engine, self.run, self.role, self.wake = engine, run, role, wake
        self.notices: list[dict[str, Any]] = []
        self.drawn = False  # the browser has shown a frame
        self.actions: dict[int, int | None] = {}  # operation serial → this browser's own number for it

    def close(self) -> None:
        self.engine.leave(self)


class Engine:
    """Advances runs in worker processes, fairly and reproducibly. Every method may be called from any thread."""

    def __init__(self, workers: int | None = None, limits: Limits = Limits()) -> None:
        """workers: processes; by default one a core less one, and two at least, so that a run with long steps
        does not hold up its neighbour."""
        self.limits = limits
        self.directory = Path(tempfile.mkdtemp(prefix="vivarium-"))
        self.lock = threading.RLock()
        self.runs: dict[str, LiveRun] = {}
        self.tokens: dict[str, tuple[str, Role]] = {}
        self.room = Room(limits.history_all)
        self.closed = threading.Event()
        count = workers or int(os.environ.get("VIVARIUM_WORKERS", "0")) or max(2, (os.cpu_count() or 2) - 1)
        self.hosts = [self._host() for _ in range(count)]
        threading.Thread(target=self._watchdog, daemon=True).start()

    def _host(self) -> ProcessHost:
        return ProcessHost(self.directory, self._answer, self._lost)

    def wait_ready(self, seconds: float = 60.0) -> bool:
        """Block until every worker is warm. False where that takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        return all(host.ready.wait(max(0.0, deadline - time.monotonic())) for host in list(self.hosts))

    def close(self) -> None:
        """End every worker and delete every checkpoint."""
        with self.lock:
            self.closed.set()
            for host in self.hosts:
                host.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- opening and finding runs -----------------------------------------------------------------------

    def open(
        self, experiment_id: str, values: Mapping[str, object], seed: int, session: str, place: str = ""
    ) -> Tickets:
        """Start a run, paused at step 0, and return its tokens.

        session: whose it is; place: where on the pages it stands. A run that this session already has at this
        place is closed. Raises Plain for an unknown experiment, a bad value, or no room.
        """
        config_class = registry.find(experiment_id).config_class()
        config = configure(config_class, values)
        values = {name: getattr(config, name) for name in knobs(config_class)}
        with self.lock:
            for run in [r for r in self.runs.values() if place and (r.session, r.place) == (session, place)]:
                self._close(run)
            self._make_room(session)
            key = secrets.token_hex(16)
            tickets = Tickets(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
            history = History(self.limits.history_run, self.room)
            run = LiveRun(key, experiment_id, values, seed, session, place, tickets, history)
            run.speed = registry.find(experiment_id).speed
            self.runs[key] = run
            self.tokens[tickets.owner] = (key, "owner")
            self.tokens[tickets.viewer] = (key, "viewer")
            self._place(run)
            return tickets

    def _make_room(self, session: str) -> None:
        """Room for one more run of `session`: an unwatched one gives way, else a sentence says that there is none."""
        mine = [run for run in self.runs.values() if run.session == session]
        for runs, limit, code in (
            (mine, self.limits.runs_session, "runs_session"),
            (list(self.runs.values()), self.limits.runs_all, "runs_all"),
        ):
            if len(runs) >= limit:
                idle = [run for run in runs if not run.viewers and (runs is mine or self._is_stale(run))]
                if not idle:
                    raise Plain(code, limit=limit)
                self._close(min(idle, key=lambda run: run.unwatched_since))

    def _is_stale(self, run: LiveRun) -> bool:
        return time.monotonic() - run.unwatched_since > self.limits.pause_after

    def find(self, session: str, place: str) -> LiveRun | None:
        """The run that this session has at this place of the pages."""
        with self.lock:
            return next((run for run in self.runs.values() if (run.session, run.place) == (session, place)), None)

    def census(self, session: str) -> tuple[list[tuple[str, str, int]], int, int]:
        """This session's runs as (experiment id, state, step); how many runs there are in all; how many play."""
        with self.lock:
            mine = [run for run in self.runs.values() if run.session == session]
            playing = sum(run.status["state"] == "playing" for run in self.runs.values())
            told = [(run.experiment_id, str(run.status["state"]), int(run.status["step"])) for run in mine]
            return told, len(self.runs), playing

    def look_up(self, token: str) -> tuple[LiveRun, Role]:
        """The run a token opens, and what it may do there. Raises Plain for an unknown one."""
        with self.lock:
            if token not in self.tokens:
                raise Plain("token_unknown")
            key, role = self.tokens[token]
            return self.runs[key], role

    def _place(self, run: LiveRun, playing: bool = False) -> None:
        """Put a run into the worker with the fewest that play."""
        if run.host is not None:
            run.host.send(("close", run.key))
        run.begun = 0
        load = dict.fromkeys(self.hosts, 0.0)
        for other in self.runs.values():
            if other.host in load and other is not run:
                load[other.host] += 1.0 if other.wishes_to_play else 0.01
        run.host = min(load, key=lambda host: (not host.ready.is_set(), load[host]))
        saved = self.directory / f"{run.key}.checkpoint"
        run.host.send(("open", run.key, run.experiment_id, run.values, run.seed, str(saved), playing))
        if run.serial:  # the speed as it is, and an answer to what the last worker did not live to answer
            run.host.send(("operate", run.key, run.serial, {"op": "speed", "value": run.speed}))
        run.host.send(("watch", run.key, bool(run.viewers)))

    def _close(self, run: LiveRun) -> None:
        if run.host is not None:
            run.host.send(("close", run.key))
        run.history.clear()
        for token in (run.tickets.owner, run.tickets.viewer):
            self.tokens.pop(token, None)
        self.runs.pop(run.key, None)
        (self.directory / f"{run.key}.checkpoint").unlink(missing_ok=True)
        for viewer in run.viewers:
            viewer.notices.append(Plain("token_unknown").as_json())
            viewer.wake()

    # -- watching and steering --------------------------------------------------------------------------

    def watch(self, token: str, wake: Callable[[], None]) -> Viewer:
        """Begin to watch. Raises Plain for an unknown token."""
        with self.lock:
            run, role = self.look_up(token)
            viewer = Viewer(self, run, role, wake)
            run.viewers.add(viewer)
            if run.host is None and not run.status.get("lost"):
                self._place(run, run.wishes_to_play)
            elif run.host is not None and len(run.viewers) == 1:
                run.host.send(("watch", run.key, True))
                if run.wishes_to_play:
                    run.host.send(("operate", run.key, run.serial, {"op": "play"}))
            return viewer

    def leave(self, viewer: Viewer) -> None:
        """Stop watching. A run that nobody watches is paused after a while, and later freed."""
        with self.lock:
            run = viewer.run
            run.viewers.discard(viewer)
            if not run.viewers:
                run.unwatched_since = time.monotonic()
                if run.host is not None:
                    run.host.send(("watch", run.key, False))

    def operate(self, viewer: Viewer, operation: Mapping[str, Any]) -> None:
        """Carry out an operation of a person's. Raises Plain where it may not be done."""
        with self.lock:
            run = viewer.run
            if viewer.role != "owner":
                raise Plain("viewer_steers")
            if run.key not in self.runs:
                raise Plain("token_unknown")
            op = operation["op"]
            if op == "configure":
                # Refused here, before the run's history is let go; kept here, for a worker that dies before it obeys.
                config = configure(registry.find(run.experiment_id).config_class(), run.values | operation["config"])
                run.values = {name: getattr(config, name) for name in run.values}
            if op == "seed":
                run.seed = operation["value"]
            run.serial += 1
            viewer.actions[run.serial] = operation.get("id")
            if len(viewer.actions) > ACTIONS:
                del viewer.actions[min(viewer.actions)]
            if op in ("play", "pause", "step", "phase"):
                run.wishes_to_play = op == "play"
            if op == "speed":
                run.speed = operation["value"]
            if op in ("reset", "configure", "seed"):
                run.history.clear()
                run.begun, run.deaths, run.saved_step, run.notice = run.serial, 0, 0, None
                (self.directory / f"{run.key}.checkpoint").unlink(missing_ok=True)
                if run.status["state"] == "failed" and run.status.get("lost"):
                    self._place(run)  # it was given up
            if run.host is not None:
                run.host.send(("operate", run.key, run.serial, dict(operation)))

    def look_back(self, viewer: Viewer, step: int) -> bytes | None:
        """The frame nearest to `step` that is still kept."""
        with self.lock:
            return viewer.run.history.nearest(step)

    def take(self, viewer: Viewer) -> tuple[int, int, bytes]:
        """The newest frame's number, the last operation that it shows, its bytes. The worker may make another."""
        with self.lock:
            run = viewer.run
            if run.host is not None:
                run.host.send(("credit", run.key))
            return run.sequence, run.frame_serial, run.frame

    # -- what workers say -------------------------------------------------------------------------------

    def _answer(self, host: ProcessHost, answer: tuple[Any, ...]) -> None:
        word, key, *rest = answer
        with self.lock:
            run = self.runs.get(key)
            if run is None or run.host is not host:
                return
            if word == "frame":
                self._take_frame(run, *rest)
            elif word == "status":
                self._take_status(run, *rest)
            elif word == "saved":
                run.saved_step = rest[0]
            elif word == "notice":
                serial, code, details = rest
                for viewer in run.viewers:
                    if serial in viewer.actions:
                        viewer.notices.append({"code": code, "details": details})
            for viewer in run.viewers:
                viewer.wake()

    def _take_frame(self, run: LiveRun, serial: int, step: int, frame: bytes) -> None:
        run.sequence += 1
        run.frame, run.frame_serial = frame, serial
        if serial >= run.begun:  # else it was on its way when the run began anew
            run.history.add(step, frame)

    def _take_status(self, run: LiveRun, status: dict[str, Any]) -> None:
        run.status = status
        if "config" in status:
            run.values, run.seed = status["config"], status["seed"]
        if status["state"] in ("done", "failed"):
            run.wishes_to_play = False
        if status["state"] == "playing" and status["step"] > run.saved_step + 1 and run.notice:
            if time.monotonic() - run.notice["at"] > 8.0:
                run.notice = None

    # -- looking after workers and runs -----------------------------------------------------------------

    def _watchdog(self) -> None:
        """Four times a second: hung workers, and runs that nobody watches."""
        while not self.closed.wait(0.25):
            with self.lock:
                for host in list(self.hosts):
                    self._check(host)
                for run in list(self.runs.values()):
                    self._rest(run)

    def _check(self, host: ProcessHost) -> None:
        """Say that a step is slow; end a worker that hangs."""
        key, seconds, allowed, computed = host.busy()
        run = self.runs.get(key)
        if key and run is not None and seconds > self.limits.slow_after:
            run.notice = Plain("worker_slow", seconds=round(seconds)).as_json() | {"at": time.monotonic()}
            for viewer in run.viewers:
                viewer.wake()
        for other in self.runs.values():
            over = other.key != key or seconds <= self.limits.slow_after
            if over and other.host is host and other.notice and other.notice["code"] == "worker_slow":
                other.notice = None
        limit = allowed if key else self.limits.idle_silence
        if (computed > limit or seconds > self.limits.stuck * limit) and not host.killed:
            host.kill()

    def _rest(self, run: LiveRun) -> None:
        """Pause what nobody watches, later free it, and at last forget it."""
        if run.viewers:
            return
        alone = time.monotonic() - run.unwatched_since
        if run.host is not None and alone > self.limits.pause_after and run.status["state"] == "playing":
            run.host.send(("operate", run.key, run.serial, {"op": "pause"}))
            run.host.send(("save", run.key))
            run.status = run.status | {"state": "paused"}
        if run.host is not None and alone > self.limits.free_after:
            run.host.send(("save", run.key))
            run.host.send(("close", run.key))
            run.host = None
        if alone > self.limits.forget_after:
            self._close(run)

    def _lost(self, host: ProcessHost) -> None:
        """A worker is gone: blame the run it had in hand, and go on with all of them elsewhere."""
        if not host.ready.is_set():
            time.sleep(1.0)  # it could not even start: do not spin
        with self.lock:
            if self.closed.is_set():
                return
            guilty, seconds, *_ = host.beacon.read()
            self.hosts = [*(h for h in self.hosts if h is not host), self._host()]
            for run in [r for r in self.runs.values() if r.host is host]:
                run.host = None
                run.deaths += run.key == guilty
                hung = host.killed and run.key == guilty
                self._recover(run, "worker_hung" if hung else "worker_died", round(seconds))
                for viewer in run.viewers:
                    viewer.wake()

    def _recover(self, run: LiveRun, code: str, seconds: int) -> None:
        """Go on from the last checkpoint, unless this run keeps killing its workers."""
        if run.deaths >= self.limits.deaths:
            message = Plain("killed_twice").as_json()
            run.status = run.status | {"state": "failed", "message": message, "lost": True}
            run.wishes_to_play, run.notice = False, None
            return
        run.notice = None
        if run.frame_serial >= run.begun:  # else what hung had been let go already: the run begins anew
            run.notice = Plain(code, step=run.saved_step, seconds=seconds).as_json() | {"at": time.monotonic()}
        run.status = run.status | {"state": "loading"}
        self._place(run, playing=run.wishes_to_play and bool(run.viewers))


_engine: Engine | None = None
_engine_lock = threading.Lock()


def the_engine() -> Engine:
    """The one engine of this server, started at the first call."""
    global _engine
    with _engine_lock:
        if _engine is None:
            _engine = Engine()
        return _engine
