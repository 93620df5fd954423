"""Where runs live: a host takes a scheduler's commands and gives back its answers.

The local host is a process of its own. Anything with these four methods can stand in its place; a Ray actor
that holds a Scheduler, for one. What crosses is small and picklable: words, numbers, one frame's bytes.
"""

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any, Protocol

from shared.live.registry import ROOT
from shared.live.worker import Beacon


class Host(Protocol):
    """A place where runs are advanced."""

    def send(self, command: tuple[Any, ...]) -> None:
        """Hand over a command; silently lost where the host is gone (the engine learns that by itself)."""

    def busy(self) -> tuple[str, float, float]:
        """Key of the run in hand or "", for how many seconds it has been, how many it may take."""

    def kill(self) -> None:
        """End it now, whatever it is doing."""

    def close(self) -> None:
        """End it in good order."""


class ProcessHost:
    """A worker process. `answer` takes each of its answers and `lost` is called once when it is gone, both on a
    thread of this host's."""

    def __init__(
        self, directory: Path, answer: Callable[["ProcessHost", tuple[Any, ...]], None], lost: Callable[["ProcessHost"], None]
    ) -> None:
        secret = secrets.token_hex(32).encode()
        beacon = directory / f"worker-{secrets.token_hex(4)}.beacon"
        self.beacon = Beacon(beacon)
        self.pipe: Connection | None = None
        self.closing = False
        self.ready = threading.Event()
        self.waiting: list[tuple[Any, ...]] = []
        self.lock = threading.Lock()
        self.answer, self.lost = answer, lost
        listener = Listener(authkey=secret)
        arguments = [sys.executable, "-m", "shared.live.worker", str(listener.address), str(directory), str(beacon)]
        self.process = subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE)
        assert self.process.stdin is not None
        self.process.stdin.write(secret + b"\n")
        self.process.stdin.flush()
        self.started = time.monotonic()
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def _listen(self, listener: Listener) -> None:
        """Read answers until the worker is gone."""
        try:
            pipe = listener.accept()
            with self.lock:
                self.pipe = pipe
                for command in self.waiting:
                    pipe.send(command)
                self.waiting.clear()
            while True:
                answer = pipe.recv()
                if answer[0] == "ready":
                    self.ready.set()
                else:
                    self.answer(self, answer)
        except (EOFError, OSError):
            pass
        finally:
            listener.close()
            self.process.wait()
            if not self.closing:
                self.lost(self)

    def send(self, command: tuple[Any, ...]) -> None:
        with self.lock:
            if self.pipe is None:
                self.waiting.append(command)
                return
            try:
                self.pipe.send(command)
            except OSError:
                pass

    def busy(self) -> tuple[str, float, float]:
        if not self.ready.is_set():
            return "", 0.0, 0.0
        return self.beacon.read()

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.closing = True
        with self.lock:
            if self.pipe is not None:
                self.pipe.close()
        self.process.kill()
        self.process.wait()
