"""Looking back: bounded in bytes, the beginning kept, spread over the whole run."""

import itertools
import random

from shared.live.history import History, Room


def frame(step: int, size: int = 100) -> bytes:
    return str(step).encode().ljust(size)


def filled(steps: range, limit: int = 1000, room: int = 10**9, size: int = 100) -> History:
    history = History(limit, Room(room))
    for step in steps:
        history.add(step, frame(step, size))
    return history


def test_a_short_run_is_kept_whole() -> None:
    history = filled(range(10))
    assert history.steps == list(range(10))
    assert history.extent() == {"first": 0, "last": 9, "count": 10}


def test_a_long_run_stays_within_its_bytes_from_its_first_frame_on() -> None:
    history = History(1000, Room(10**9))
    for step in range(5000):
        history.add(step, frame(step))
        assert history.bytes == sum(map(len, history.frames)) <= 1000
        assert history.steps[0] == 0
        assert len(history.steps) >= min(step + 1, 5)


def test_what_is_kept_is_spread_over_the_whole_run() -> None:
    history = filled(range(5000))
    gaps = [later - sooner for sooner, later in itertools.pairwise([*history.steps, 5000])]
    assert max(gaps) <= 2 * 5000 / len(gaps)


def test_frames_that_come_irregularly_are_spread_too() -> None:
    draw = random.Random(0)
    steps = sorted(draw.sample(range(100_000), 3000))
    history = History(2000, Room(10**9))
    for step in steps:
        history.add(step, frame(step))
    gaps = [later - sooner for sooner, later in itertools.pairwise([*history.steps, 100_000])]
    assert history.steps[0] == steps[0]
    assert max(gaps) <= 3 * 100_000 / len(gaps)


def test_nearest_gives_the_frame_of_the_nearest_step() -> None:
    history = filled(range(0, 100, 10))
    for step, nearest in ((-5, 0), (0, 0), (4, 0), (6, 10), (50, 50), (89, 90), (10**9, 90)):
        found = history.nearest(step)
        assert found is not None
        assert int(found) == nearest


def test_nothing_kept_is_nothing_found() -> None:
    history = filled(range(0))
    assert history.nearest(3) is None
    assert history.extent() == {"first": 0, "last": 0, "count": 0}


def test_all_runs_together_stay_within_their_room() -> None:
    room = Room(3000)
    histories = [History(1000, room) for _ in range(8)]
    for step in range(500):
        for history in histories:
            history.add(step, frame(step))
            assert room.used == sum(each.bytes for each in histories) <= 3000
    assert sum(bool(history.steps) for history in histories) >= 3


def test_a_frame_larger_than_the_room_loses_nothing() -> None:
    history = filled(range(5))
    history.add(6, frame(6, 1001))
    assert history.steps == list(range(5))


def test_others_may_fill_the_room_while_one_frame_is_kept() -> None:
    room = Room(1000)
    mine, theirs = History(1000, room), History(1000, room)
    mine.add(0, frame(0))
    for step in range(9):
        theirs.add(step, frame(step))
    mine.add(1, frame(1, 200))  # no room, even without the one that is kept
    assert room.used <= 1000


def test_clear_gives_the_room_back_and_begins_anew() -> None:
    history = filled(range(5000))
    history.clear()
    assert history.room.used == history.bytes == 0
    history.add(0, frame(0))
    history.add(1, frame(1))
    assert history.steps == [0, 1]


def test_a_run_that_goes_on_from_a_checkpoint_adds_nothing_twice() -> None:
    history = filled(range(10))
    for step in range(7, 12):
        history.add(step, frame(step))
    assert history.steps == sorted(set(history.steps))
