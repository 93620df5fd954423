"""Experiments are found by reading their files, and named one by one."""

from collections import Counter
from pathlib import Path

import pytest

from shared.live import registry
from shared.live.experiment import Experiment, Plain
from tests.shared.experiments import Walk

SOURCE = """
from shared.live.experiment import Experiment
raise RuntimeError("imported")
class First(Experiment):
    id = "topic/first"
class Second(Experiment):
    id: str = "topic/second"
class Nameless(Experiment):
    pass
class Other:
    id = "no experiment's"
"""


def test_the_tests_own_experiment_is_found() -> None:
    assert registry.catalogue()["tests/walk"] == "tests.shared.experiments"
    assert registry.find("tests/walk") is Walk


def test_files_are_read_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apps" / "topic").mkdir(parents=True)
    (tmp_path / "apps" / "topic" / "some.py").write_text(SOURCE)
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    monkeypatch.delenv(registry.EXTRA)
    registry.catalogue.cache_clear()
    try:
        assert registry.catalogue() == {"topic/first": "apps.topic.some", "topic/second": "apps.topic.some"}
    finally:
        registry.catalogue.cache_clear()


@pytest.mark.parametrize("name", ["", "gans", "tests/", "tests/walk ", "x" * 10_000])
def test_an_unknown_name_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(Plain) as refusal:
        registry.find(name)
    assert refusal.value.code == "experiment_unknown"
    assert "tests/walk" in str(refusal.value)
    assert len(str(refusal.value)) < 1000


def test_no_two_experiments_share_a_name() -> None:
    files = sorted((registry.ROOT / "apps").glob("*/*.py"))
    names = Counter(name for path in files for name in registry._ids(path))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name", registry.catalogue())
def test_every_name_leads_to_its_class(name: str) -> None:
    found = registry.find(name)
    assert issubclass(found, Experiment)
    assert found.id == name
