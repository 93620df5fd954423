"""Models being made ready in the background, one after another: everybody who looks sees the same progress."""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from shared.live.messages import Plain
from shared.models.cache import Cache, the_cache


@dataclass(frozen=True)
class Progress:
    """How far the models asked for since the last idle moment are; `seconds_left` is None where nobody can tell yet."""

    asked: int
    done: int
    share: float
    seconds_left: int | None


class Warming:
    """A queue of models of `cache` to make ready."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.problems: dict[str, Plain] = {}  # of the last attempt, by model
        self._shares: dict[str, float] = {}  # of those asked for since the queue was last empty
        self._start = 0.0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "warming")

    def ask(self, model_ids: Iterable[str]) -> None:
        """Queue these models, unless they are queued already."""
        with self._lock:
            if self.progress() is None:
                self._shares, self._start = {}, time.monotonic()
            for model_id in model_ids:
                if self._shares.get(model_id, 1.0) >= 1.0:
                    self.problems.pop(model_id, None)
                    self._shares[model_id] = 0.0
                    self._pool.submit(self._warm, model_id)

    def share(self, model_id: str) -> float | None:
        """The share of this model that is done; None where it is not being made ready."""
        share = self._shares.get(model_id, 1.0)
        return share if share < 1 else None

    def progress(self) -> Progress | None:
        """How far all of it is; None while nothing is being made ready."""
        shares = list(self._shares.values())
        done = sum(share >= 1 for share in shares)
        if done == len(shares):
            return None
        share, seconds = sum(shares) / len(shares), time.monotonic() - self._start
        return Progress(len(shares), done, share, round(seconds / share - seconds) if share > 0.02 else None)

    def _warm(self, model_id: str) -> None:
        def heard(share: float) -> None:
            self._shares[model_id] = min(share, 0.99)  # all bytes are there; they are still to be checked

        try:
            self.cache.warm(model_id, heard)
        except Plain as problem:
            self.problems[model_id] = problem
        finally:
            self._shares[model_id] = 1.0


@cache
def the_warming() -> Warming:
    """This server's."""
    return Warming(the_cache())
