"""Every sentence exists in both languages, with the same names to fill in, and for every code that is raised."""

import ast
import json
import pickle
import re
from pathlib import Path

import pytest

from shared.live.messages import LANGUAGES, Plain, sentence, words

ROOT = Path(__file__).resolve().parents[2]


def raised() -> set[str]:
    """The code of each `Plain("…")` in the source."""
    found = set()
    for folder in ("shared", "apps"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Plain" and node.args:
                    if isinstance(node.args[0], ast.Constant):
                        found.add(str(node.args[0].value))
    return found


def test_both_languages_hold_the_same_keys() -> None:
    english, spanish = (words(language) for language in LANGUAGES)
    assert english.keys() == spanish.keys()
    for section in english:
        assert english[section].keys() == spanish[section].keys(), section


def test_both_languages_fill_in_the_same_names() -> None:
    english, spanish = (words(language) for language in LANGUAGES)
    for section in english:
        for key, text in english[section].items():
            names = [set(re.findall(r"\{(\w+)\}", each)) for each in (text, spanish[section][key])]
            assert names[0] == names[1], f"{section}.{key}"


@pytest.mark.parametrize("code", sorted(raised()))
def test_every_code_has_its_sentence(code: str) -> None:
    assert code in words("en")["messages"], f"no sentence for {code}"


def test_a_sentence_names_its_details() -> None:
    problem = Plain("knob_range", name="lr", value=7, low=0, high=1)
    assert str(problem) == "lr = 7 is out of range: it goes from 0 to 1."
    assert sentence(problem.code, problem.details, "es").startswith("lr = 7 ")


def test_a_code_without_a_sentence_still_says_something() -> None:
    assert str(Plain("odd", value=3)) == "odd: value=3"


def test_plain_survives_pickling_and_json() -> None:
    problem = Plain("knob_choice", name="loss", value="x", allowed=("a", "b"))
    copy = pickle.loads(pickle.dumps(problem))
    assert (copy.code, copy.details) == (problem.code, problem.details)
    said = json.loads(json.dumps(problem.as_json()))
    assert said["code"] == "knob_choice"
    assert said["details"]["value"] == "x"
