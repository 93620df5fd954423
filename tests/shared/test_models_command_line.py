"""`python -m shared.models`: a table of what there is, and models made ready, checked and taken off the disk."""

import os
from pathlib import Path

import pytest

from shared.models import __main__ as command_line
from shared.models.cache import Cache
from tests.shared.tiny_models import cache_of, wheel


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Cache:
    """What the command line finds: one model that is installed, one that is not."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)
    missing = wheel(tmp_path / "elsewhere", "missing")
    cache = cache_of(tmp_path / "cache", wheel(site, "one"), missing)
    monkeypatch.setattr(command_line, "the_cache", lambda: cache)
    return cache


def test_the_list_names_everything(cache, capsys):
    assert command_line.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["model", "size"]
    assert lines[1].split()[:5] == ["one", "1.0", "MB", "no", "-"]
    assert "wheel wheel_one" in lines[1] and lines[1].endswith("MIT")
    assert "download" in lines[2]


def test_a_model_is_warmed_listed_verified_and_freed(cache, capsys):
    assert command_line.main(["warm"]) == 0
    assert "one: ready" in (said := capsys.readouterr()).out and said.err == ""
    command_line.main(["list"])
    assert capsys.readouterr().out.splitlines()[1].split()[3] == "yes"
    assert command_line.main(["verify"]) == 0
    assert capsys.readouterr().out == "one: as it was\n"
    os.truncate(cache.folder / "one" / "model.safetensors", 10)
    command_line.main(["verify", "one"])
    assert "made again" in capsys.readouterr().out
    assert command_line.main(["free", "one"]) == 0
    assert not (cache.folder / "one").exists()
    command_line.main(["verify", "one"])
    assert "not on disk" in capsys.readouterr().out


def test_a_problem_is_one_sentence_and_the_rest_is_done(cache, capsys):
    assert command_line.main(["warm", "missing", "nonsense", "one"]) == 2
    said = capsys.readouterr()
    assert [line.split(".")[0] for line in said.err.splitlines()] == [
        "The model missing is not installed on this computer",
        "There is no model called nonsense",
    ]
    assert "one: ready" in said.out


@pytest.mark.parametrize(
    ("share", "seconds", "left"), [(0.0, 0.0, ""), (0.25, 3.0, "9 s left"), (1.0, 8.0, "0 s left")]
)
def test_the_bar_says_how_long_it_still_takes(share, seconds, left):
    text = command_line.bar("one", share, seconds)
    assert left in text
    assert text.count("█") == round(30 * share) and text.count("█") + text.count("░") == 30


def test_the_module_runs_without_torch():
    """So that it answers at once: importing torch takes seconds."""
    folder = Path(command_line.__file__).parent
    for name in ("__main__", "cache", "catalog", "sources", "gguf_llama"):
        top = [line for line in (folder / f"{name}.py").read_text().splitlines() if not line.startswith(" ")]
        assert not any("torch" in line for line in top), name
