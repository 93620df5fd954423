"""What the README tells a newcomer to type and to write works as it stands, in both languages."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from shared.live.experiment import knobs
from shared.live.registry import catalogue
from shared.live.run import Run

ROOT = Path(__file__).resolve().parents[1]
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.es.md")}
BLOCKS = {name: re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for name, text in READMES.items()}


def module(name: str, source: str, folder: Path) -> ModuleType:
    """A module made of a block of the README."""
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made  # where a dataclass looks for its own module
    spec.loader.exec_module(made)
    return made


def test_both_languages_show_the_same_code():
    assert len(BLOCKS["README.md"]) > 4
    english, spanish = ([(tongue, re.sub(r" *# .*", "", code)) for tongue, code in b] for b in BLOCKS.values())
    assert english == spanish  # but for what is said beside the commands


@pytest.mark.parametrize("name", READMES)
def test_what_it_points_to_is_there(name):
    links = re.findall(r"\]\(([^)#]+)\)", READMES[name])
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_its_commands_exist():
    text = READMES["README.md"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake (\w+)", "".join(code for _, code in BLOCKS["README.md"]))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for experiment in re.findall(r"shared\.live run (\S+/\w+)", text):
        assert experiment in catalogue() or experiment == "coin/toss"
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().endswith("make test")


def test_the_example_topic_runs(tmp_path):
    toss, page = (module(f"readme_{i}", code, tmp_path) for i, code in enumerate(python_blocks()))
    run = Run(toss.Toss, {"bias": 0.7}, 0)
    for _ in range(400):
        run.advance()
    frame = run.frame()
    assert 0.6 < frame.metrics["heads"] / 400 < 0.8
    (scene,) = page.COIN.scenes
    assert scene.experiment == toss.Toss.id
    assert set(scene.layout) <= set(frame.views)
    assert set(scene.metrics) <= set(frame.metrics)
    assert set(scene.knobs) <= set(knobs(toss.TossConfig))


def python_blocks() -> list[str]:
    return [code for kind, code in BLOCKS["README.md"] if kind == "python"]
