"""Where runs live: a host takes a scheduler's commands and gives back its answers.

The local host is a process of its own. Anything with these four methods can stand in its place; a Ray actor
that holds a Scheduler, for one. What crosses is small and picklable: words, numbers, one frame's bytes.
"""

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import psutil

from shared.live.registry import ROOT
from shared.live.worker import Beacon


class Host(Protocol):
    """A place where runs are advanced."""

    def send(self, command: tuple[Any, ...]) -> None:
        """Hand over a command; silently lost where the host is gone (the engine learns that by itself)."""

    def busy(self) -> tuple[str, float, float, float]:
        """Key of the run in hand or "", for how many seconds it has been and may be, how many it spent computing."""

    def kill(self) -> None:
        """End it now, whatever it is doing; `killed` tells this end from a death of its own."""

    def close(self) -> None:
        """End it in good order."""


class ProcessHost:
    """A worker process. `answer` takes each of its answers and `lost` is called once when it is gone, both on a
    thread of this host's."""

    def __init__(
        self,
        directory: Path,
        answer: Callable[["ProcessHost", tuple[Any, ...]], None],
        lost: Callable[["ProcessHost"], None],
    ) -> None:
        secret = secrets.token_hex(32).encode()
        beacon = directory / f"worker-{secrets.token_hex(4)}.beacon"
        self.beacon = Beacon(beacon)
        self.closing = self.killed = False
        self.since = self.used = 0.0  # when the work in hand began, and the worker's processor time when it was seen
        self.ready = threading.Event()
        self.commands: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
        self.answer, self.lost = answer, lost
        listener = Listener(authkey=secret)
        arguments = [sys.executable, "-m", "shared.live.worker", str(listener.address), str(directory), str(beacon)]
        self.process = subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE)
        assert self.process.stdin is not None
        self.process.stdin.write(secret + b"\n")
        self.process.stdin.flush()
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()
        threading.Thread(target=self._call_instead, args=(listener.address, secret), daemon=True).start()

    def _listen(self, listener: Listener) -> None:
        """Read answers until the worker is gone."""
        try:
            with listener:
                pipe = listener.accept()
            threading.Thread(target=self._write, args=(pipe,), daemon=True).start()
            while True:
                answer = pipe.recv()
                if answer[0] == "ready":
                    self.ready.set()
                else:
                    self.answer(self, answer)
        except (EOFError, OSError, AuthenticationError):
            pass
        finally:
            self.commands.put(None)
            self.process.wait()
            if not self.closing:
                self.lost(self)

    def _write(self, pipe: Connection) -> None:
        """Hand over commands. A worker in a long step lets its pipe fill: then this waits, and nobody else."""
        try:
            while (command := self.commands.get()) is not None:
                pipe.send(command)
        except OSError:
            pass

    def _call_instead(self, address: Any, secret: bytes) -> None:
        """A worker that died before it called would leave accept() waiting for ever."""
        self.process.wait()
        try:
            Client(address, authkey=secret).close()
        except (EOFError, OSError, AuthenticationError):
            pass

    def send(self, command: tuple[Any, ...]) -> None:
        self.commands.put(command)

    def busy(self) -> tuple[str, float, float, float]:
        if not self.ready.is_set():
            return "", 0.0, 0.0, 0.0
        key, seconds, allowed, since = self.beacon.read()
        try:
            now = psutil.Process(self.process.pid).cpu_times()
        except psutil.Error:  # it is gone: its pipe will say so
            return "", 0.0, 0.0, 0.0
        # Asked here and not by the worker, whom it would cost more than many a step.
        if since != self.since:
            self.since, self.used = since, now.user + now.system
        return key, seconds, allowed, now.user + now.system - self.used

    def kill(self) -> None:
        self.killed = True
        self.process.kill()

    def close(self) -> None:
        self.closing = True
        self.process.kill()
        self.process.wait()
