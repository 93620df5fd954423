"""The socket, over a real server: who may in, what may be said, and that a crowd or a sluggard disturbs nobody."""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from shared.live import wire
from shared.live.engine import Engine, Tickets
from shared.live.messages import Plain
from shared.live.stage import routes
from shared.live.stream import MESSAGE_BYTES, Meter, on_this_machine, parse
from tests.shared.watching import PATIENCE, until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def address(engine: Engine) -> Iterator[str]:
    """A server with the stage's own routes, as the app mounts them."""
    config = uvicorn.Config(Starlette(routes=routes(lambda: engine)), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server to start")
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


class Browser:
    """A stage's end of the socket. With `draws`, it acknowledges every frame as soon as it has it."""

    def __init__(self, address: str, token: str, draws: bool = True, origin: str | None = None) -> None:
        url = f"ws://{address}/live/{token}"
        self.socket: ClientConnection = connect(
            url, origin=origin, max_size=None, open_timeout=PATIENCE, close_timeout=5, ping_interval=None, proxy=None
        )  # type: ignore[arg-type]
        self.draws = draws
        self.said: list[dict[str, Any]] = []  # notices, statuses, answers
        self.frames: list[bytes] = []

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, op: str, **fields: object) -> None:
        self.socket.send(json.dumps({"op": op, **fields}))

    def read(self, seconds: float) -> bool:
        """Take one message in; False where none comes within `seconds`."""
        try:
            message = self.socket.recv(timeout=seconds)
        except TimeoutError:
            return False
        if isinstance(message, str):
            self.said.append(json.loads(message, parse_constant=pytest.fail))
        else:
            self.frames.append(message)
            if self.draws:
                with contextlib.suppress(ConnectionClosed):  # what came before the end is still to be read
                    self.send("ack")
        return True

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited for {what}"
            self.read(1.0)

    def quiet(self) -> None:
        """Until what was on its way has come: another message, refused, is answered after it."""
        count = len(self.notices)
        self.send("dance")
        self.until(lambda: len(self.notices) > count, "an answer")

    @property
    def notices(self) -> list[str]:
        return [message["code"] for message in self.said if message["type"] == "notice"]

    @property
    def status(self) -> dict[str, Any]:
        return next((m for m in reversed(self.said) if m["type"] == "status"), {"state": "", "step": -1})

    @property
    def step(self) -> int:
        """Of the last frame."""
        return int(wire.header_of(self.frames[-1])["step"]) if self.frames else -1


@pytest.fixture
def tickets(engine: Engine) -> Iterator[Tickets]:
    until(lambda: engine.wait_ready(1.0), "the workers to start")
    tickets = engine.open("tests/walk", {"milliseconds": 1}, 0, secrets.token_hex(8))
    yield tickets
    with engine.lock:
        engine._close(engine.look_up(tickets.owner)[0])


@pytest.fixture
def owner(address: str, tickets: Tickets) -> Iterator[Browser]:
    with Browser(address, tickets.owner) as browser:
        browser.until(lambda: browser.frames and browser.status["state"] == "paused", "the first frame")
        yield browser


# -- who may in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["x", "%00", "a" * 2000])
def test_a_wrong_token_is_told_so_and_shown_out(address: str, engine: Engine, token: str) -> None:
    with Browser(address, token) as browser:
        with pytest.raises(ConnectionClosed) as end:
            browser.until(lambda: False, "the door")
        assert browser.notices == ["token_unknown"]
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == 4404


def test_without_a_token_there_is_no_door(address: str) -> None:
    with pytest.raises(InvalidStatus):
        Browser(address, "")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://[", "http://localhost"]
)
def test_a_page_from_elsewhere_is_refused(address: str, tickets: Tickets, engine: Engine, origin: str) -> None:
    with pytest.raises(InvalidStatus):
        Browser(address, tickets.owner, origin=origin)
    assert engine.look_up(tickets.owner)[0].viewers == set()


def test_a_page_of_this_server_is_let_in(address: str, tickets: Tickets) -> None:
    with Browser(address, tickets.owner, origin=f"http://{address}") as browser:
        browser.until(lambda: browser.status["step"] == 0, "a status")
        assert browser.status["role"] == "owner"


def test_a_viewer_who_steers_is_told_so_and_nothing_changes(address: str, owner: Browser, tickets: Tickets) -> None:
    with Browser(address, tickets.viewer) as viewer:
        viewer.until(lambda: viewer.frames, "a frame")
        assert viewer.status["role"] == "viewer"
        before = viewer.frames[-1]
        for op, fields in (
            ("play", {}),
            ("step", {}),
            ("reset", {}),
            ("seed", {"value": 9}),
            ("speed", {"value": "fast"}),
            ("knob", {"name": "scale", "value": 3}),
            ("configure", {"config": {"size": 9}}),
            ("event", {"event": {"kind": "draw", "points": [[0, 0]]}}),
        ):
            count = len(viewer.notices)
            viewer.send(op, id=1, **fields)
            viewer.until(lambda: len(viewer.notices) > count, "a sentence")  # noqa: B023
            assert viewer.notices[-1] == "viewer_steers"
        owner.send("pause", id=1)
        owner.until(lambda: any(message["type"] == "answer" for message in owner.said), "an answer")
        assert owner.frames[-1] == before
        assert (owner.status["state"], owner.status["seed"], owner.status["config"]["size"]) == ("paused", 0, 4)
        viewer.send("seek", step=0)  # looking back is no steering
        viewer.quiet()
        assert viewer.notices[-1] == "operation_unknown"


# -- what may be said --------------------------------------------------------------------------------------

BAD = [
    ("", "operation_bad"),
    ("play", "operation_bad"),
    ("{", "operation_bad"),
    ("[]", "operation_bad"),
    ("null", "operation_bad"),
    ("[" * 30_000, "operation_bad"),
    ('{"op":' * 10_000, "operation_bad"),
    ("1" * 5000, "operation_bad"),
    ("{}", "operation_unknown"),
    ('{"op": 3}', "operation_unknown"),
    ('{"op": ["play"]}', "operation_unknown"),
    ('{"op": "__init__"}', "operation_unknown"),
    ('{"op": "save"}', "operation_unknown"),
    ('{"op": "speed"}', "operation_bad"),
    ('{"op": "speed", "value": "warp"}', "operation_bad"),
    ('{"op": "speed", "value": ["max"]}', "operation_bad"),
    ('{"op": "seed", "value": -1}', "operation_bad"),
    ('{"op": "seed", "value": 1.5}', "operation_bad"),
    ('{"op": "seed", "value": true}', "operation_bad"),
    ('{"op": "seed", "value": 99999999999}', "operation_bad"),
    ('{"op": "seek", "step": "first"}', "operation_bad"),
    ('{"op": "seek", "step": -1}', "operation_bad"),
    ('{"op": "knob", "name": 3, "value": 1}', "operation_bad"),
    ('{"op": "knob", "name": "scale", "value": NaN}', "operation_bad"),
    ('{"op": "knob", "name": "scale", "value": -Infinity}', "operation_bad"),
    ('{"op": "knob", "name": "scale", "value": 1e999}', "operation_bad"),
    ('{"op": "knob", "name": "scale", "value": [1]}', "operation_bad"),
    ('{"op": "knob", "name": "scale", "value": null}', "operation_bad"),
    ('{"op": "configure", "config": {}}', "operation_bad"),
    ('{"op": "configure", "config": {"size": {}}}', "operation_bad"),
    ('{"op": "event", "event": {}}', "operation_bad"),
    ('{"op": "event", "event": {"kind": 3}}', "operation_bad"),
    ('{"op": "event", "event": {"kind": "draw", "points": [[NaN, 0]]}}', "operation_bad"),
    ('{"op": "event", "event": {"kind": "draw", "points": ' + "[" * 200 + "]" * 200 + "}}", "operation_bad"),
    ('{"op": "event", "event": {"kind": "draw", "points": ' + "[" * 900 + "]" * 900 + "}}", "operation_bad"),
    ('{"op": "event", "event": {"kind": "draw", "points": [' + "[0,0]," * 1_000_000 + "[0,0]]}}", "message_large"),
    ("x" * (MESSAGE_BYTES + 1), "message_large"),
]


@pytest.mark.parametrize(("text", "code"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_what_makes_no_sense_is_refused_in_a_short_sentence(text: str, code: str) -> None:
    with pytest.raises(Plain) as refusal:
        parse(text)
    assert refusal.value.code == code
    assert "{" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_only_the_fields_of_an_operation_are_taken() -> None:
    assert parse('{"op": "play", "id": 7, "value": 3, "__class__": "x"}') == {"op": "play", "id": 7}
    assert parse('{"op": "knob", "name": "lr", "value": 0.1, "id": -1}') == {"op": "knob", "name": "lr", "value": 0.1}
    assert parse('{"op": "seek", "step": null}') == {"op": "seek", "step": None}
    event = {"kind": "draw", "view": "plane", "points": [[0.5, -1], [2, 3]]}
    assert parse(json.dumps({"op": "event", "event": event})) == {"op": "event", "event": event}


def test_after_all_that_the_server_goes_on(owner: Browser) -> None:
    texts = [(text, code) for text, code in BAD if len(text) < 1_000_000]
    for text, code in texts:
        count = len(owner.notices)
        owner.socket.send(text)
        owner.until(lambda: len(owner.notices) > count, f"a sentence about {text[:40]}")  # noqa: B023
        assert owner.notices[-1] == code, text[:40]
        time.sleep(0.02 + len(text) / 200_000)  # no faster than anybody may speak
    owner.socket.send(b"\x00\xff" * 100)
    owner.until(lambda: len(owner.notices) > len(texts), "a sentence about bytes")
    owner.send("step", id=1)
    owner.until(lambda: owner.step == 1, "a step")


def test_a_drawing_of_a_million_points_is_refused_and_a_new_browser_finds_the_run(
    address: str, owner: Browser, tickets: Tickets
) -> None:
    owner.socket.send(json.dumps({"op": "event", "event": {"kind": "draw", "points": [[0.5, 0.5]] * 1_000_000}}))
    owner.until(lambda: "message_large" in owner.notices, "a sentence")
    try:
        owner.socket.send("x" * 20_000_000)  # more than the server reads at all
        owner.until(lambda: False, "the door")
    except ConnectionClosed:
        pass
    with Browser(address, tickets.owner) as again:
        again.until(lambda: again.frames, "a frame")
        assert wire.header_of(again.frames[-1])["metrics"]["marks"] == 0


def test_a_refusal_by_the_run_comes_back_as_a_sentence(owner: Browser) -> None:
    for fields, code in (
        ({"op": "knob", "name": "scale", "value": 99}, "knob_range"),
        ({"op": "knob", "name": "size", "value": 5}, "knob_not_live"),
        ({"op": "configure", "config": {"colour": 1}}, "knob_unknown"),
        ({"op": "event", "event": {"kind": "dance"}}, "event_unknown"),
    ):
        owner.send(id=1, **fields)  # type: ignore[arg-type]
        owner.until(lambda: code in owner.notices, code)  # noqa: B023
    assert owner.status["state"] == "paused"


def test_a_crowd_of_messages_is_thinned_and_the_meter_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("shared.live.stream.time.monotonic", lambda: now[0])
    meter = Meter(rate=10.0, burst=20.0)
    passed = sum(meter.allows(0) for _ in range(100))
    assert (passed, meter.dropped) == (20, 80)
    now[0] += 1.0
    assert sum(meter.allows(0) for _ in range(100)) == 10
    now[0] += 1000.0
    assert sum(meter.allows(10 * 1024) for _ in range(100)) == 2  # large ones count for more


def test_ten_thousand_messages_at_once_disturb_nobody_else(address: str, engine: Engine, owner: Browser) -> None:
    other = engine.open("tests/walk", {"milliseconds": 1}, 1, secrets.token_hex(8))
    with Browser(address, other.owner) as beside:
        beside.send("play", id=1)
        beside.until(lambda: beside.step > 5, "frames")
        done = threading.Event()

        def shout() -> None:
            try:
                for i in range(10_000):
                    owner.socket.send(json.dumps({"op": "knob", "name": "scale", "value": i / 10_000, "id": i}))
            except ConnectionClosed:
                pass  # shown out
            done.set()

        threading.Thread(target=shout, daemon=True).start()
        answered = 1
        while not done.is_set() or answered < 4:
            answered += 1
            beside.send("knob", name="scale", value=answered / 10, id=answered)
            beside.until(lambda: {"type": "answer", "id": answered} in beside.said, "an answer")  # noqa: B023
            step = beside.step
            beside.until(lambda: beside.step > step, "frames")  # noqa: B023
        assert "too_many_messages" not in beside.notices
    try:
        owner.until(lambda: "too_many_messages" in owner.notices, "a sentence")
    except ConnectionClosed:
        assert "too_many_messages" in owner.notices
    with engine.lock:
        engine._close(engine.look_up(other.owner)[0])


# -- frames ------------------------------------------------------------------------------------------------


def test_no_third_frame_before_the_first_is_drawn(engine: Engine, address: str, tickets: Tickets) -> None:
    run, _ = engine.look_up(tickets.owner)
    with Browser(address, tickets.owner, draws=False) as browser:
        browser.until(lambda: browser.frames, "the first frame")
        browser.send("play")
        browser.until(lambda: run.sequence >= 5, "some more frames to be made")
        browser.quiet()
        assert len(browser.frames) == 2  # the one it draws, and the one for its next refresh

        # The newest wins: not one that has waited since the first.
        newest = wire.header_of(run.frame)["step"]
        browser.send("ack")
        browser.until(lambda: len(browser.frames) == 3, "the third frame")
        assert browser.step >= newest > 1
        browser.quiet()
        assert len(browser.frames) == 3


def test_who_waits_for_an_answer_does_not_wait_for_the_frames_before_it(address: str, tickets: Tickets) -> None:
    with Browser(address, tickets.owner, draws=False) as browser:
        browser.send("play")
        browser.until(lambda: len(browser.frames) == 2, "as many frames as are sent ahead")
        browser.send("knob", name="scale", value=0.5, id=7)
        browser.until(lambda: len(browser.frames) == 3, "the frame that shows the knob's move")


def test_a_sluggard_does_not_slow_another_viewer(address: str, owner: Browser, tickets: Tickets) -> None:
    with Browser(address, tickets.viewer, draws=False) as sluggard:
        sluggard.until(lambda: sluggard.frames, "the first frame")
        owner.send("play")
        owner.until(lambda: len(owner.frames) > 30, "thirty frames")
        sluggard.quiet()
        assert len(sluggard.frames) <= 2


def test_frames_come_in_order_and_none_twice(owner: Browser) -> None:
    owner.send("play")
    owner.until(lambda: len(owner.frames) > 20, "twenty frames")
    steps = [wire.header_of(frame)["step"] for frame in owner.frames]
    assert steps == sorted(steps)
    assert len(set(steps[1:])) >= len(steps) - 2


def test_the_answer_comes_before_the_frame_that_shows_it(owner: Browser) -> None:
    for i in range(1, 6):
        owner.send("step", id=i)
        owner.until(lambda: owner.step == i, "the step's frame")  # noqa: B023
        answers = [message["id"] for message in owner.said if message["type"] == "answer"]
        assert answers[-1] == i


def test_looking_back_moves_one_viewer_and_stops_nothing(address: str, owner: Browser, tickets: Tickets) -> None:
    with Browser(address, tickets.viewer) as viewer:
        owner.send("play")
        owner.until(lambda: owner.status["history"]["last"] > 30, "some history")
        viewer.send("seek", step=0)
        viewer.quiet()  # frames that were on their way
        viewer.until(lambda: viewer.frames and viewer.step == 0, "the first step")
        step = owner.step
        owner.until(lambda: owner.step > step + 30, "the run to go on")
        viewer.quiet()
        assert viewer.step == 0  # what came meanwhile is not shown
        assert owner.frames[-1] != viewer.frames[-1]
        viewer.send("seek", step=2**31 - 1)
        viewer.until(lambda: viewer.step >= step, "the last step kept")
        viewer.send("seek", step=None)
        now = owner.step
        viewer.until(lambda: viewer.step > now, "the present")


def test_two_tabs_show_one_run_and_both_steer(address: str, owner: Browser, tickets: Tickets) -> None:
    with Browser(address, tickets.owner) as tab:
        tab.until(lambda: tab.frames, "a frame")
        owner.until(lambda: owner.status["viewers"] == 2, "two to be counted")
        owner.send("step", id=1)
        tab.until(lambda: tab.step == 1, "the first tab's step")
        tab.send("step", id=1)
        owner.until(lambda: owner.step == 2, "the second tab's step")
        tab.until(lambda: tab.step == 2, "its own step")
        assert owner.frames[-1] == tab.frames[-1]
    owner.until(lambda: owner.status["viewers"] == 1, "one to be left")


def test_a_browser_that_comes_back_finds_its_run_where_it_was(address: str, tickets: Tickets) -> None:
    with Browser(address, tickets.owner) as browser:
        browser.send("step", id=1)
        browser.until(lambda: browser.step == 1, "a step")
        last = browser.frames[-1]
    with Browser(address, tickets.owner) as again:
        again.until(lambda: again.frames, "a frame")
        assert again.frames[0] == last


def test_a_socket_that_breaks_off_leaves_no_viewer(address: str, engine: Engine, tickets: Tickets) -> None:
    browser = Browser(address, tickets.owner)
    browser.until(lambda: browser.frames, "a frame")
    run = engine.look_up(tickets.owner)[0]
    browser.send("play")
    browser.socket.socket.close()  # no goodbye
    until(lambda: not run.viewers, "the viewer to be struck off")


def test_states_and_failures_are_told_as_codes(address: str, engine: Engine) -> None:
    tickets = engine.open("tests/walk", {"fate": "nan", "at": 3}, 0, secrets.token_hex(8))
    with Browser(address, tickets.owner) as browser:
        browser.send("play")
        browser.until(lambda: browser.status["state"] == "failed", "the failure")
        assert browser.status["message"]["code"] == "diverged"
        assert browser.status["message"]["details"] == {"metric": "radius", "step": 3}
        assert all(wire.header_of(frame)["metrics"]["radius"] >= 0 for frame in browser.frames)
    with engine.lock:
        engine._close(engine.look_up(tickets.owner)[0])


def test_a_run_that_cannot_be_built_still_says_what_it_is(address: str, engine: Engine) -> None:
    tickets = engine.open("tests/walk", {"fate": "stillborn", "size": 7}, 5, secrets.token_hex(8))
    with Browser(address, tickets.owner) as browser:
        browser.until(lambda: browser.status["state"] == "failed", "the failure")
        for status in (message for message in browser.said if message["type"] == "status"):
            assert (status["config"]["size"], status["seed"], status["speed"]) == (7, 5, "max"), status["state"]
        browser.send("configure", config={"fate": "none"})
        browser.until(lambda: browser.status["state"] == "paused", "another beginning")
        assert browser.status["config"] == {**engine.look_up(tickets.owner)[0].values, "fate": "none"}
    with engine.lock:
        engine._close(engine.look_up(tickets.owner)[0])


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True),
        ("192.168.1.7", False), ("::ffff:192.168.1.7", False), ("example.org", False), ("", False),
    ],
)  # fmt: skip
def test_a_browser_on_this_machine_is_known_by_its_address(host: str, here: bool) -> None:
    assert on_this_machine(host) is here
