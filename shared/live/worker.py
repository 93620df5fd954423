"""A worker process: a scheduler at the end of a pipe. Started by the engine as `python -m shared.live.worker`.

    python -m shared.live.worker ADDRESS DIRECTORY BEACON     (the pipe's secret comes on standard input)

BEACON is a small shared file in which the worker writes what it is doing, so that the engine can tell a hang
from work, and whom to blame: when it began (monotonic s), 40 bytes of the run's key, for how long it may, and when it
began once more: a note read while it is being written is known by two times that differ.
"""

import gc
import mmap
import os
import signal
import struct
import sys
import threading
import time
from multiprocessing.connection import Client
from pathlib import Path

BEACON = struct.Struct("<d40sdd")


class Beacon:
    """The shared note of what a worker is doing."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            now = time.monotonic()
            path.write_bytes(BEACON.pack(now, b"", 0.0, now))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), BEACON.size)

    def write(self, key: str, seconds: float) -> None:
        """`key` is in hand from now on and may take `seconds`; ("", 0) = nothing is."""
        now = time.monotonic()
        self.memory[:] = BEACON.pack(now, key.encode(), seconds, now)

    def read(self) -> tuple[str, float, float, float]:
        """The key in hand or "", for how many seconds it has been and may be, and when it began (monotonic s)."""
        for _ in range(100):
            since, key, seconds, again = BEACON.unpack(self.memory[:])
            if since == again:
                return key.rstrip(b"\0").decode(), time.monotonic() - since, seconds, since
        return "", 0.0, 0.0, 0.0  # it died while writing


def main(address: str, directory: str, beacon_path: str) -> None:
    """Serve one engine until its end of the pipe closes."""
    secret = sys.stdin.buffer.readline().strip()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the server's terminal is the server's business
    threading.Thread(target=_end_with_server, daemon=True).start()
    beacon = Beacon(Path(beacon_path))
    _warm()
    from shared.live.scheduler import Scheduler

    try:
        pipe = Client(address, authkey=secret)
    except OSError:
        return  # the engine went while this was starting
    with pipe:
        scheduler = Scheduler(pipe.send, Path(directory), beacon.write)
        pipe.send(("ready", ""))
        wait = 0.0
        while True:
            try:
                while pipe.poll(wait):
                    scheduler.handle(pipe.recv())
                    wait = 0.0
            except (EOFError, OSError):
                return
            beacon.write("", 0.0)
            wait = max(0.0, scheduler.turn())


def _end_with_server() -> None:
    """End, even in the middle of an endless step, when the other end of standard input is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def _warm() -> None:
    """Pay torch's first-use costs now, out of the garbage collector's rounds: they cost a fifth of the time."""
    gc.disable()
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 1))
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(2, 1, 8, 8)).mean().backward()
    optimizer.step()
    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    if hasattr(os, "nice"):
        # Training takes what is left: a click, a frame and the lecturer's own programs come first.
        os.nice(5)
    main(*sys.argv[1:])
