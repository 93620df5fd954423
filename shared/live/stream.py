"""The stream: one WebSocket a stage. Frames and states go out, a person's operations come in, checked."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect

from shared.live import wire
from shared.live.engine import Engine, Viewer
from shared.live.experiment import SEED_HIGH, Plain
from shared.live.scheduler import SPEEDS

MESSAGE_BYTES = 65_536
MESSAGES_PER_SECOND = 240.0  # acknowledgements included: 60 frames, 60 slider moves, and room
BURST = 480.0
DROPPED_BEFORE_CLOSING = 5_000
STATUS_SECONDS = 0.2
FRAMES_AHEAD = 2  # on their way to a browser: the one it draws, and the one that is there for its next refresh


def parse(text: str) -> dict[str, Any]:
    """A browser's message as an operation. Raises Plain for anything that is not one."""
    if len(text) > MESSAGE_BYTES:
        raise Plain("message_large", limit=MESSAGE_BYTES)
    try:
        message = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise Plain("operation_bad", reason="not JSON") from None
    if not isinstance(message, dict):
        raise Plain("operation_bad", reason="not an object")
    op = message.get("op")
    if not isinstance(op, str) or op not in FIELDS:
        raise Plain("operation_unknown", op=str(op)[:40])
    operation: dict[str, Any] = {"op": op}
    for name, check in FIELDS[op].items():
        if not check(message.get(name)):
            raise Plain("operation_bad", reason=f"{op}: {name}")
        operation[name] = message[name]
    if _whole(message.get("id")):
        operation["id"] = message["id"]
    return operation


def _finite(text: str) -> float:
    """A number as JSON knows it: not NaN, Infinity or 1e999."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= SEED_HIGH


def _value(value: object) -> bool:
    """What a knob may be set to; the knob itself decides the rest."""
    return isinstance(value, bool | int | float | str)


def _values(value: object) -> bool:
    return isinstance(value, dict) and 0 < len(value) <= 50 and all(map(_value, value.values()))


def _event(value: object) -> bool:
    """An object with a kind; the experiment decides the rest. Never so deep that it could not be handed on."""
    return isinstance(value, dict) and isinstance(value.get("kind"), str) and _shallow(value, 8)


def _shallow(value: object, depth: int) -> bool:
    """At most `depth` lists or objects within each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is None or (depth > 0 and all(_shallow(item, depth - 1) for item in inner))


# Operation → its fields and what each must be. `ack`, `seek` are the stream's own; the rest is the engine's.
FIELDS: dict[str, Mapping[str, Any]] = {
    "play": {},
    "pause": {},
    "step": {},
    "phase": {},
    "reset": {},
    "ack": {},
    "speed": {"value": lambda value: isinstance(value, str) and value in SPEEDS},
    "seed": {"value": _whole},
    "seek": {"step": lambda step: step is None or _whole(step)},
    "knob": {"name": lambda name: isinstance(name, str) and len(name) <= 60, "value": _value},
    "configure": {"config": _values},
    "event": {"event": _event},
}


class Meter:
    """Lets `rate` messages of a kilobyte a second through, `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.left, self.at = burst, time.monotonic()
        self.dropped = 0

    def allows(self, size: int) -> bool:
        """`size` in bytes."""
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1.0:
            self.dropped += 1
            return False
        self.left -= 1.0 + size / 1024
        return True


class Stream:
    """One stage's socket, from its opening to its end."""

    def __init__(self, engine: Engine, socket: WebSocket) -> None:
        self.engine, self.socket = engine, socket
        self.loop = asyncio.get_running_loop()
        self.news = asyncio.Event()
        self.remote = socket.client is not None and not on_this_machine(socket.client.host)
        self.underway = 0  # frames sent and not yet drawn
        self.shown = 0  # sequence of the last frame sent
        self.past: bytes | None = None  # a frame from the history, to be sent
        self.looking_back = False
        self.status = self.urgent = ""
        self.status_at = 0.0
        self.crowd_told = 0.0

    async def serve(self, token: str) -> None:
        """Until the browser goes. An unknown token is told so in a sentence."""
        await self.socket.accept()
        try:
            self.viewer = self.engine.watch(token, self._wake)
        except Plain as problem:
            await self._tell(problem.as_json())
            await self.socket.close(4404)
            return
        both = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.viewer.close()
            for task in both:
                task.cancel()
            for end in await asyncio.gather(*both, return_exceptions=True):
                if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect | RuntimeError):
                    logging.getLogger(__name__).error("a stage's socket broke", exc_info=end)

    def _wake(self) -> None:
        """Called on an engine's thread."""
        try:
            self.loop.call_soon_threadsafe(self.news.set)
        except RuntimeError:
            pass  # the server is shutting down

    async def _tell(self, notice: Mapping[str, Any]) -> None:
        await self.socket.send_text(json.dumps({"type": "notice", **notice}))

    # -- in ---------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        meter = Meter(MESSAGES_PER_SECOND, BURST)
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or ""
            if not meter.allows(len(text)):
                # A frame's receipt may be lost in the crowd; the frames after it may not.
                if text == '{"op":"ack"}':
                    self._drawn()
                if meter.dropped > DROPPED_BEFORE_CLOSING:
                    await self.socket.close(1008)
                    return
                if time.monotonic() - self.crowd_told > 1.0:
                    self.crowd_told = time.monotonic()
                    await self._tell(Plain("too_many_messages").as_json())
                continue
            try:
                await self._obey(parse(text))
            except Plain as refusal:
                await self._tell(refusal.as_json())

    async def _obey(self, operation: dict[str, Any]) -> None:
        if operation["op"] == "ack":
            self._drawn()
        elif operation["op"] == "seek":
            step = operation["step"]
            self.looking_back = step is not None
            self.past = self.engine.look_back(self.viewer, step) if step is not None else None
            if not self.looking_back:
                self.shown = 0
            self.news.set()
        else:
            self.engine.operate(self.viewer, operation)

    def _drawn(self) -> None:
        """The browser is done with a frame: there is room for the next."""
        self.underway = max(0, self.underway - 1)
        self.viewer.drawn = True
        self.news.set()

    # -- out --------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        """Whenever there is news: notices, the state, and the newest frame while there is room for it on the way."""
        while True:
            viewer, run = self.viewer, self.viewer.run
            self.news.clear()
            while viewer.notices:
                await self._tell(viewer.notices.pop(0))
            await self._send_status()
            # Who waits for an answer does not wait for the frames before it.
            awaited = (serial for serial, number in viewer.actions.items() if number is not None)
            room = self.underway < FRAMES_AHEAD or any(serial <= run.frame_serial for serial in awaited)
            if self.past is not None and room:
                self.underway += 1
                past, self.past = self.past, None
                await self._send_frame(past, 0)
            elif room and not self.looking_back and run.frame and run.sequence != self.shown:
                self.underway += 1
                sequence, serial, frame = self.engine.take(viewer)
                self.shown = sequence
                await self._answer(viewer, serial)
                await self._send_frame(frame, sequence)
            try:
                await asyncio.wait_for(self.news.wait(), 0.5)
            except TimeoutError:
                pass

    async def _answer(self, viewer: Viewer, serial: int) -> None:
        """Tell this browser which of its actions the coming frame shows."""
        seen = [viewer.actions.pop(action) for action in sorted(viewer.actions) if action <= serial]
        numbers = [number for number in seen if number is not None]
        if numbers:
            await self.socket.send_text(json.dumps({"type": "answer", "id": numbers[-1]}))

    async def _send_frame(self, frame: bytes, sequence: int) -> None:
        """Raw to this machine's own browsers; packed, once for all its viewers and off this thread, to others."""
        if self.remote:
            run = self.viewer.run
            if not sequence or run.compressed[0] != sequence:
                packed = await asyncio.to_thread(wire.compress, frame)
                run.compressed = (sequence, packed)
                frame = packed
            else:
                frame = run.compressed[1]
        await self.socket.send_bytes(frame)

    async def _send_status(self) -> None:
        run = self.viewer.run
        # A run that no worker has built yet, or could not build, has its settings all the same.
        status = {"config": run.values, "seed": run.seed, "speed": run.speed} | run.status
        status |= {"type": "status", "role": self.viewer.role, "viewers": len(run.viewers)}
        status["history"] = run.history.extent()
        status["message"] = status.get("message") or run.notice
        urgent = json.dumps([status["state"], status["message"], status.get("seed"), status.get("config")])
        text = json.dumps(status)
        now = time.monotonic()
        if text != self.status and (urgent != self.urgent or now - self.status_at >= STATUS_SECONDS):
            self.status, self.urgent, self.status_at = text, urgent, now
            await self.socket.send_text(text)


def on_this_machine(host: str) -> bool:
    """Whether an address is this machine's own; a server that listens on IPv6 sees 127.0.0.1 as ::ffff:127.0.0.1."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def same_origin(socket: WebSocket) -> bool:
    """The page that opened the socket came from this server (or is no page: then there is no Origin)."""
    origin = socket.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == socket.headers.get("host")
    except ValueError:
        return False
