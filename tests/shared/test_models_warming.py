"""Models are made ready in the background, in turn; progress and problems are everybody's to see."""

import time

from shared.models.warming import Warming
from tests.shared.tiny_models import cache_of, wheel


def until_idle(warming: Warming) -> None:
    deadline = time.monotonic() + 60
    while warming.progress() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_models_are_made_ready_in_turn(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    warming = Warming(cache_of(tmp_path / "cache", wheel(tmp_path, "a"), wheel(tmp_path, "b")))
    assert warming.progress() is None and warming.share("a") is None
    warming.ask(["a", "b"])
    warming.ask(["a"])
    assert (progress := warming.progress()) is None or progress.asked == 2
    until_idle(warming)
    assert all(warming.cache.state(name).bytes for name in "ab")
    assert warming.problems == {}


def test_a_problem_is_kept_until_the_next_attempt(tmp_path, monkeypatch):
    model = wheel(tmp_path / "site", "a")
    warming = Warming(cache_of(tmp_path / "cache", model))
    warming.ask(["a"])
    until_idle(warming)
    assert warming.problems["a"].code == "model_wheel"
    monkeypatch.syspath_prepend(tmp_path / "site")
    warming.ask(["a"])
    until_idle(warming)
    assert warming.problems == {}
    assert warming.cache.state("a").bytes
