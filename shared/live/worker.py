"""A worker process: a scheduler at the end of a pipe. Started by the engine as `python -m shared.live.worker`.

    python -m shared.live.worker ADDRESS DIRECTORY BEACON     (the pipe's secret comes on standard input)

BEACON is a small shared file in which the worker writes what it is doing, so that the engine can tell a hang
from work, and whom to blame: 40 bytes of the run's key, when it began (monotonic s) and for how long it may.
"""

import gc
import mmap
import os
import struct
import sys
import time
from multiprocessing.connection import Client
from pathlib import Path

BEACON = struct.Struct("<40sdd")


class Beacon:
    """The shared note of what a worker is doing."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(BEACON.pack(b"", time.monotonic(), 0.0))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), BEACON.size)

    def write(self, key: str, seconds: float) -> None:
        """`key` is in hand from now on and may take `seconds`; ("", 0) = nothing is."""
        BEACON.pack_into(self.memory, 0, key.encode(), time.monotonic(), seconds)

    def read(self) -> tuple[str, float, float]:
        """The key in hand or "", for how many seconds it has been, and for how many it may be."""
        key, since, seconds = BEACON.unpack_from(self.memory, 0)
        return key.rstrip(b"\0").decode(), time.monotonic() - since, seconds


def main(address: str, directory: str, beacon_path: str) -> None:
    """Serve one engine until its end of the pipe closes."""
    secret = sys.stdin.buffer.readline().strip()
    beacon = Beacon(Path(beacon_path))
    _warm()
    from shared.live.scheduler import Scheduler

    with Client(address, authkey=secret) as pipe:
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


def _warm() -> None:
    """Pay torch's first-use costs now, and take what is loaded out of the garbage collector's rounds."""
    import torch

    torch.set_num_threads(1)
    layer = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 1))
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(2, 1, 8, 8)).mean().backward()
    optimizer.step()
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    if hasattr(os, "nice"):
        # Training takes what is left: a click, a frame and the lecturer's own programs come first.
        os.nice(5)
    main(*sys.argv[1:])
