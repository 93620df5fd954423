"""Worker processes die, hang and are replaced; runs go on, rest when nobody looks, and obey their owners alone."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.live import registry, wire
from shared.live.engine import Engine, Limits, LiveRun
from shared.live.experiment import Plain
from shared.live.hosts import ProcessHost
from shared.live.run import Run
from shared.live.worker import Beacon
from tests.shared.experiments import Walk
from tests.shared.watching import PATIENCE, Person, until

pytestmark = pytest.mark.processes


def opened(engine: Engine, session: str = "", seed: int = 0, place: str = "", **values: object) -> Person:
    """Somebody with a run of their own."""
    tickets = engine.open("tests/walk", values, seed, session or secrets.token_hex(8), place)
    return Person(engine, tickets.owner)


@pytest.fixture
def person(warm: Engine) -> Iterator[Person]:
    person = opened(warm, milliseconds=1)
    yield person
    gone(person)


def gone(*people: Person) -> None:
    """Their runs are closed, so that they take nothing from the next test."""
    for person in people:
        person.leave()
        if person.run.key in person.engine.runs:
            person.engine._close(person.run)


def code_of(refusal: pytest.ExceptionInfo[Plain]) -> str:
    assert "{" not in str(refusal.value)
    return refusal.value.code


# -- the same run as anywhere else -------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.catalogue())
def test_a_worker_gives_the_frames_that_this_process_gives(warm: Engine, name: str) -> None:
    """Whatever either process has built before: what is loaded once a process may not take from a run's randomness."""
    Run(registry.find(name), {}, 1)
    alone = Run(registry.find(name), {}, 5)
    person = Person(warm, warm.open(name, {}, 5, "same").owner)
    try:
        first = person.sees_step(0)
        alone.advance()
        second = person.sees(person.do("step"))
        assert without_speeds(second) == without_speeds(wire.encode(alone.frame()))
        assert without_speeds(first) == without_speeds(wire.encode(alone.again({}, 5).frame()))
    finally:
        gone(person)


def without_speeds(message: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """All of a frame but the metrics that may differ from one process to another."""
    header = wire.header_of(message)
    header["metrics"] = {name: value for name, value in header["metrics"].items() if not name.endswith("_per_second")}
    return header, [array.tobytes() for array in wire.arrays_of(message)]


def test_a_run_beside_others_ends_where_it_ends_alone(warm: Engine) -> None:
    alone = Run(Walk, {"fate": "end", "at": 300}, 7)
    while not alone.experiment.done:
        alone.advance()
    people = [opened(warm, seed=seed, fate="end", at=300) for seed in (1, 7, 9)]
    for person in people:
        person.do("play")
    until(lambda: all(person.state == "done" for person in people), "three runs to end")
    assert people[1].sees_step(300) == wire.encode(alone.frame())
    gone(*people)


# -- steering ----------------------------------------------------------------------------------------------


def test_play_pause_step_reset(person: Person) -> None:
    first = person.sees_step(0)
    person.do("play")
    until(lambda: person.state == "playing" and person.step > 20, "the run to play")
    shown = person.sees(person.do("pause"))
    until(lambda: person.state == "paused", "the run to pause")
    assert wire.header_of(shown)["step"] == person.step
    stepped = person.sees(person.do("step"))
    assert wire.header_of(stepped)["step"] == wire.header_of(shown)["step"] + 1
    assert person.sees(person.do("reset")) == first


def test_a_reset_begins_the_history_anew_whatever_was_on_its_way(person: Person) -> None:
    for _ in range(3):
        person.do("play")
        until(lambda: person.run.history.extent()["last"] > 10, "some history")
        person.do("reset")
        person.sees(person.do("pause"))
        until(lambda: person.run.history.steps[:1], "the new history's first frame")
        assert person.run.history.steps[-1] <= person.step
        assert person.run.history.steps[0] < 10


def test_looking_back_finds_what_was_shown(person: Person) -> None:
    shown = [person.sees_step(0)]
    for _ in range(5):
        shown.append(person.sees(person.do("step")))
    for step, frame in enumerate(shown):
        assert person.engine.look_back(person.viewer, step) == frame
    assert person.engine.look_back(person.viewer, 10**6) == shown[-1]
    assert person.engine.look_back(person.viewer, 0) == shown[0]


def test_a_refused_setting_leaves_run_and_history(person: Person) -> None:
    person.sees(person.do("step"))
    kept = person.run.history.extent()
    with pytest.raises(Plain) as refusal:
        person.do("configure", config={"size": 0})
    assert code_of(refusal) == "knob_range"
    assert kept["count"] > 0
    assert person.run.history.extent() == kept
    assert wire.header_of(person.sees(person.do("step")))["step"] == 2


def test_a_refusal_goes_to_whoever_asked(person: Person) -> None:
    other = Person(person.engine, person.run.tickets.owner)
    person.do("knob", name="scale", value=99, id=5)
    until(lambda: person.viewer.notices, "the refusal")
    assert person.viewer.notices[0]["code"] == "knob_range"
    assert other.viewer.notices == []
    other.leave()


def test_a_setting_from_an_address_is_kept_as_its_own_type(warm: Engine) -> None:
    person = opened(warm, size="7")
    assert person.run.values["size"] == 7
    gone(person)


# -- who may what ------------------------------------------------------------------------------------------


def test_tokens_are_unguessable_and_an_unknown_one_is_told_so(person: Person) -> None:
    tickets = person.run.tickets
    assert len({tickets.owner, tickets.viewer, person.run.key}) == 3
    assert min(len(tickets.owner), len(tickets.viewer)) >= 32
    for token in ("", "x", tickets.owner[:-1], tickets.owner + "x", person.run.key):
        with pytest.raises(Plain) as refusal:
            person.engine.watch(token, lambda: None)
        assert code_of(refusal) == "token_unknown"


def test_a_viewer_watches_and_cannot_steer(person: Person) -> None:
    viewer = Person(person.engine, person.run.tickets.viewer)
    before = viewer.sees_step(0)
    for operation in (
        {"op": "play"},
        {"op": "step"},
        {"op": "reset"},
        {"op": "knob", "name": "scale", "value": 2.0},
        {"op": "configure", "config": {"size": 3}},
        {"op": "event", "event": {"kind": "draw", "points": [[0, 0]]}},
    ):
        with pytest.raises(Plain) as refusal:
            person.engine.operate(viewer.viewer, operation)
        assert code_of(refusal) == "viewer_steers"
    serial = person.run.serial
    assert serial == 0
    after = person.sees(person.do("pause"))
    assert after == before
    viewer.leave()


def test_a_session_has_one_run_a_place(warm: Engine) -> None:
    first = opened(warm, session="s", place="gans/two_players")
    other = opened(warm, session="s", place="gans/images")
    elsewhere = opened(warm, session="t", place="gans/two_players")
    second = opened(warm, session="s", place="gans/two_players")
    assert warm.find("s", "gans/two_players") is second.run
    assert first.viewer.notices[-1]["code"] == "token_unknown"
    with pytest.raises(Plain):
        warm.look_up(first.run.tickets.owner)
    with pytest.raises(Plain) as refusal:
        first.do("play")
    assert code_of(refusal) == "token_unknown"
    assert {other.run.key, elsewhere.run.key, second.run.key} <= warm.runs.keys()
    gone(first, other, elsewhere, second)


@pytest.fixture
def small() -> Iterator[Engine]:
    """An engine with few places, whose worker need not be ready."""
    engine = Engine(workers=1, limits=Limits(runs_session=2, runs_all=4, free_after=60))
    yield engine
    engine.close()


def test_places_are_limited_and_the_sentence_says_how_many(small: Engine) -> None:
    mine = [opened(small, session="me") for _ in range(2)]
    with pytest.raises(Plain) as refusal:
        opened(small, session="me")
    assert code_of(refusal) == "runs_session"
    assert "2 runs" in str(refusal.value)
    theirs = [opened(small) for _ in range(2)]
    with pytest.raises(Plain) as refusal:
        opened(small)
    assert code_of(refusal) == "runs_all"
    assert len(small.runs) == 4

    mine[0].leave()  # a run of one's own that nobody watches gives way; another person's does not
    with pytest.raises(Plain):
        opened(small)
    theirs[0].leave()
    theirs[0].run.unwatched_since -= 61  # …unless it has long been left
    opened(small)
    assert theirs[0].run.key not in small.runs
    mine[1].leave()
    with pytest.raises(Plain):
        small.look_up(theirs[0].run.tickets.owner)


def test_bad_openings_are_refused_and_take_no_place(small: Engine) -> None:
    for experiment, values, code in (
        ("gans/nothing", {}, "experiment_unknown"),
        ("tests/walk", {"size": "many"}, "knob_type"),
        ("tests/walk", {"size": 0}, "knob_range"),
        ("tests/walk", {"colour": 1}, "knob_unknown"),
    ):
        with pytest.raises(Plain) as refusal:
            small.open(experiment, values, 0, "me")
        assert code_of(refusal) == code
    assert small.runs == {}
    assert small.tokens == {}


# -- nobody watching ---------------------------------------------------------------------------------------


def test_a_run_that_nobody_watches_rests_is_freed_and_comes_back_where_it_was(warm: Engine) -> None:
    person = opened(warm, seed=3, milliseconds=2, fate="end", at=700)
    token, run = person.run.tickets.owner, person.run
    person.do("play")
    until(lambda: person.step > 20, "some steps")
    left = time.monotonic()
    person.leave()
    until(lambda: run.status["state"] == "paused", "the run to be paused")
    assert time.monotonic() - left >= warm.limits.pause_after
    until(lambda: run.host is None, "the run to be freed")
    assert time.monotonic() - left >= warm.limits.free_after
    step = int(run.status["step"])
    checkpoint = warm.directory / f"{run.key}.checkpoint"
    until(checkpoint.exists, "its checkpoint")
    assert 20 < step < 700

    back = Person(warm, token)
    until(lambda: back.state in ("playing", "done"), "the run to play on")
    assert run.saved_step >= 20
    assert back.step >= run.saved_step - 1
    until(lambda: back.state == "done", "the run to end")
    alone = Run(Walk, {}, 3)
    for _ in range(700):
        alone.advance()
    assert back.sees_step(700) == wire.encode(alone.frame())
    gone(back)


def test_a_short_look_away_changes_nothing(warm: Engine) -> None:
    person = opened(warm, milliseconds=1)
    person.do("play")
    until(lambda: person.step > 5, "some steps")
    for _ in range(3):
        person.leave()
        person = Person(warm, person.run.tickets.owner)
    until(lambda: person.state == "playing", "the run to play on")
    step = person.step
    until(lambda: person.step > step + 5, "some more steps")
    gone(person)


def test_a_paused_run_is_still_paused_when_its_owner_comes_back(warm: Engine) -> None:
    person = opened(warm)
    person.do("play")
    person.sees(person.do("pause"))
    run = person.run
    person.leave()
    until(lambda: run.host is None, "the run to be freed")
    back = Person(warm, run.tickets.owner)
    until(lambda: back.state == "paused" and run.host is not None, "the run to be back")
    back.sees_step(0)
    assert not run.wishes_to_play
    assert back.state == "paused"
    gone(back)


# -- workers that die or hang ------------------------------------------------------------------------------


def spread(engine: Engine, *people: Person) -> None:
    """Everybody plays."""
    for person in people:
        person.do("play")
    until(lambda: all(person.state == "playing" for person in people), "everybody to play")


def test_a_killed_worker_takes_only_the_step_in_flight(warm: Engine) -> None:
    hit = opened(warm, seed=7, milliseconds=1, fate="end", at=6000)
    hit.do("play")
    until(lambda: hit.state == "playing", "the run to play")
    beside = opened(warm, milliseconds=1)  # in the other worker, which has less to do
    spread(warm, beside)
    assert beside.run.host is not hit.run.host
    until(lambda: hit.run.saved_step > 0, "a checkpoint")
    saved, host, other = hit.run.saved_step, hit.run.host, beside.run.host
    step = hit.step
    assert isinstance(host, ProcessHost)

    killed = time.monotonic()
    os.kill(host.process.pid, signal.SIGKILL)
    until(lambda: "worker_died" in hit.heard, "the stage to say so")
    assert time.monotonic() - killed <= 2.0
    assert hit.run.notice is not None
    assert hit.run.notice["details"]["step"] >= saved
    assert beside.run.host is other
    assert beside.message == ""

    until(lambda: hit.state == "playing" and hit.run.host is not host and hit.step > step, "the run to go on")
    before = beside.step
    until(lambda: beside.step > before + 20, "the other person's run to go on")
    until(lambda: len(warm.hosts) == 2 and warm.wait_ready(1.0), "a fresh worker")

    hit.do("knob", name="fate", value="none")
    hit.sees(hit.do("pause"))
    until(lambda: hit.state == "paused", "the run to pause")
    alone = Run(Walk, {}, 7)
    for _ in range(hit.step):
        alone.advance()
    assert hit.sees_step(hit.step) == wire.encode(alone.frame())
    gone(hit, beside)


def test_a_run_that_kills_its_worker_twice_is_failed_and_reset_revives_it(warm: Engine) -> None:
    person = opened(warm, fate="kill", at=10)
    beside = opened(warm, milliseconds=1)
    spread(warm, beside)
    person.do("play")
    until(lambda: person.state == "failed", "the run to be given up")
    assert person.message == "killed_twice"
    assert person.run.host is None
    assert person.run.deaths == 2
    until(lambda: warm.wait_ready(1.0), "fresh workers")
    assert all(host.process.poll() is None for host in warm.hosts)

    late = Person(warm, person.run.tickets.viewer)  # looking does not revive it
    assert late.message == "killed_twice"
    person.do("play")
    time.sleep(0.3)
    assert person.state == "failed"
    late.leave()

    before = beside.step
    until(lambda: beside.state == "playing" and beside.step != before, "the other person's run to go on")
    person.sees(person.do("configure", config={"fate": "none"}))
    assert (person.state, person.step, person.message) == ("paused", 0, "")
    person.do("play")
    until(lambda: person.step > 20, "the run to play")
    gone(person, beside)


def test_an_endless_step_is_said_ended_and_nobody_waits_for_it(warm: Engine) -> None:
    assert Limits().slow_after + 2 * 0.25 <= 2.0  # two looks of the watchdog
    person = opened(warm, fate="hang", at=10)
    person.do("play")
    beside = opened(warm, milliseconds=1)
    spread(warm, beside)
    host = person.run.host
    until(lambda: "worker_slow" in person.heard, "the stage to say that a step is long")

    # Meanwhile its owner clicks more than a pipe holds; nothing waits for that.
    flood = threading.Thread(target=lambda: [person.do("knob", name="scale", value=1.5) for _ in range(5000)])
    flood.start()
    flood.join(PATIENCE)
    assert not flood.is_alive()
    before = beside.step
    until(lambda: beside.step > before + 5, "the other person's run to go on")

    until(lambda: "worker_hung" in person.heard, "the worker to be replaced")
    assert person.run.host is not host
    person.do("pause")
    person.sees(person.do("configure", config={"fate": "none"}))
    assert (person.step, person.message) == (0, "")
    gone(person, beside)


def test_a_worker_that_gets_no_processor_is_not_taken_for_a_hang(warm: Engine) -> None:
    """A laptop that does much else: a step of at most two seconds is not killed for having waited three."""
    person = opened(warm, milliseconds=200)
    person.do("play")
    until(lambda: person.step > 2, "some steps")
    host = person.run.host
    assert isinstance(host, ProcessHost)
    until(lambda: host.busy()[0] == person.run.key, "a step to be in hand")
    psutil.Process(host.process.pid).suspend()
    try:
        until(lambda: host.busy()[1] > Walk.step_seconds + 1, "the step to be overdue")
        assert "worker_slow" in person.heard
    finally:
        psutil.Process(host.process.pid).resume()
    step = person.step
    until(lambda: person.step > step + 2 and not person.message, "the run to go on")
    assert person.run.host is host
    gone(person)


def test_a_run_that_waits_for_ever_is_failed_the_second_time(warm: Engine) -> None:
    person = opened(warm, fate="wait", at=3)
    person.do("play")
    until(lambda: person.state == "failed", "the run to be given up")
    assert person.message == "killed_twice"
    gone(person)


def test_a_long_step_is_said_and_the_words_go_when_it_is_over(warm: Engine) -> None:
    person = opened(warm, milliseconds=1000)
    limits = warm.limits
    warm.limits = Limits(slow_after=0.3, pause_after=limits.pause_after, free_after=limits.free_after)
    try:
        person.do("step")
        until(lambda: person.message == "worker_slow", "the stage to say that a step is long")
        until(lambda: person.step == 1 and person.message == "", "the words to go")
    finally:
        warm.limits = limits
    gone(person)


def test_a_run_that_stops_beside_another_disturbs_nobody(warm: Engine) -> None:
    people = [opened(warm, fate=fate, at=10) for fate in ("nan", "error")]
    beside = opened(warm, milliseconds=1)
    spread(warm, beside)
    for person in people:
        person.do("play")
    until(lambda: all(person.state == "failed" for person in people), "two runs to fail")
    assert [person.message for person in people] == ["diverged", "experiment_error"]
    assert all(wire.header_of(person.sees_step(0))["metrics"]["radius"] >= 0 for person in people)
    before = beside.step
    until(lambda: beside.step > before + 20, "the other person's run to go on")
    assert beside.message == ""
    gone(*people, beside)


def test_a_worker_that_dies_before_it_has_called_is_replaced(small: Engine) -> None:
    (host,) = small.hosts
    host.kill()
    until(lambda: small.hosts[0] is not host, "another worker")
    assert len(small.hosts) == 1


# -- the end -----------------------------------------------------------------------------------------------


def test_close_leaves_no_process_and_no_file() -> None:
    engine = Engine(workers=2)
    person = opened(engine)
    processes = [host.process for host in engine.hosts]
    engine.close()
    assert all(process.poll() is not None for process in processes)
    assert not engine.directory.exists()
    time.sleep(0.6)
    assert [host.process for host in engine.hosts] == processes  # and none is started anew
    assert isinstance(person.run, LiveRun)


SERVER = """
import time
from shared.live.engine import Engine
engine = Engine(workers=2)
print(*(host.process.pid for host in engine.hosts), flush=True)
time.sleep(600)
"""


def test_workers_end_with_a_server_that_is_killed() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True, cwd=registry.ROOT)
    assert server.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in server.stdout.readline().split()]
    assert len(workers) == 2
    server.kill()
    server.wait()
    until(lambda: not any(worker.is_running() for worker in workers), "the workers to end")


def test_a_note_read_while_it_is_written_is_never_taken_for_a_hang(tmp_path: Path) -> None:
    """A torn note once said: nothing in hand since the machine was started. The worker was killed for it."""
    path = tmp_path / "beacon"
    beacon = Beacon(path)
    writing = (
        "import sys, time; from pathlib import Path; from shared.live.worker import Beacon\n"
        "beacon = Beacon(Path(sys.argv[1])); print('', flush=True); end = time.time() + 2\n"
        "while time.time() < end: beacon.write('a' * 32, 10.0); beacon.write('', 0.0)"
    )
    writer = subprocess.Popen([sys.executable, "-c", writing, path], stdout=subprocess.PIPE, cwd=registry.ROOT)
    assert writer.stdout is not None
    writer.stdout.readline()
    while writer.poll() is None:
        key, seconds, allowed, _ = beacon.read()
        assert key in ("", "a" * 32)
        assert allowed == (10.0 if key else 0.0)
        assert seconds < 10
