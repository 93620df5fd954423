"""Every word that a person reads exists in English and in Spanish, and every name on a stage has its words."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from apps.course import TOPICS
from shared.live.experiment import View, knobs
from shared.live.messages import LANGUAGES, Plain
from shared.live.registry import catalogue, find
from shared.live.run import Run
from shared.ui.scene import Scene, Topic

FIRST_STEPS = 4  # of a run, within which all that it shows has been seen
# Two settings, each of them good, that do not go together; the last: a robot that has no trained agent yet.
UNSUITED = (
    "needs_discrete",
    "needs_continuous",
    "agent_missing",
    "atari_agent_missing",
    "race_twice",
    "checkpoint_algorithm",
    "checkpoint_missing",
)
ROOT = Path(__file__).resolve().parents[1]
FOLDERS = sorted({path.parent for top in ("apps", "shared") for path in (ROOT / top).rglob("text.*.toml")})
PROSE = ("idea", "caption", "see", "words", "why", "differences", "references")
# Proper names and words that both languages share; anything else that reads the same was left untranslated.
SAME = {"Vivarium", "GANs", "Adam", "Wasserstein", "Fashion-MNIST", "ReLU", "tanh", "Real", "SARSA", "Q-learning"}
NOT_TRANSLATED = re.compile(r"references$|knobs\.game\.choices\.")  # titles
SAME |= {"DQN", "REINFORCE", "A3C", "A2C", "PPO", "DDPG", "TD3"}
# What is no language's: formulas, code, addresses, {names to fill in}, coloured marks.
NO_WORDS = re.compile(r"\$[^$]*\$|`[^`]*`|https?://\S+|\{\w+\}|:\w+\[")


@cache
def tree(folder: Path, language: str) -> dict[str, Any]:
    return tomllib.loads((folder / f"text.{language}.toml").read_text(encoding="utf-8"))


def leaves(branch: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key → value of everything in a tree; the items of a list are numbered."""
    if isinstance(branch, Mapping | list):
        items = branch.items() if isinstance(branch, Mapping) else enumerate(branch)
        for name, below in items:
            yield from leaves(below, f"{key}.{name}" if key else str(name))
    else:
        yield key, branch


def both(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    english, spanish = (dict(leaves(tree(folder, language))) for language in LANGUAGES)
    return english, spanish


def fields(text: str) -> set[str]:
    """The {names} that a text leaves to be filled in."""
    return set(re.findall(r"\{(\w+)\}", re.sub(r"\$[^$]*\$", "", text)))


def differences(english: Mapping[str, Any], spanish: Mapping[str, Any]) -> list[str]:
    """What keeps two languages' leaves from saying the same."""
    found = [f"only in one language: {key}" for key in english.keys() ^ spanish.keys()]
    for key in english.keys() & spanish.keys():
        one, other = english[key], spanish[key]
        if not isinstance(one, str) or not isinstance(other, str):
            found += [] if one == other else [f"differs: {key}"]
            continue
        if not one.strip() or not other.strip():
            found.append(f"empty: {key}")
        if fields(one) != fields(other):
            found.append(f"other names to fill in: {key}")
        if one == other and one not in SAME and not NOT_TRANSLATED.search(key) and has_words(one):
            found.append(f"the same in both languages: {key}")
    return sorted(found)


def has_words(text: str) -> bool:
    return re.search(r"[^\W\d_]{2}", NO_WORDS.sub("", text)) is not None


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_both_languages_say_the_same(folder):
    assert differences(*both(folder)) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_spanish_opens_its_questions_and_exclamations(folder):
    spanish = both(folder)[1].items()
    wrong = [
        k for k, text in spanish if isinstance(text, str) and any(text.count(a) != text.count(b) for a, b in MARKS)
    ]
    # There the question mark is a key's name, and a part of an English title.
    assert [key for key in wrong if key not in ("keys.keys", "references")] == []


MARKS = (("¿", "?"), ("¡", "!"))


def test_a_difference_is_seen():
    assert differences({"a": "One {n}"}, {"a": "Uno {m}"}) == ["other names to fill in: a"]
    assert differences({"a": "One"}, {"b": "Uno"}) == ["only in one language: a", "only in one language: b"]
    assert differences({"a": "One"}, {"a": " "}) == ["empty: a"]
    assert differences({"a": "Learning rate"}, {"a": "Learning rate"}) == ["the same in both languages: a"]
    assert differences({"a.0": 1, "f": "$x$: {n}"}, {"a.0": 1, "f": "$x$: {n}"}) == []


# -- a topic's page ----------------------------------------------------------------------------------------


def starts(experiment: str, scenes: list[Scene]) -> set[tuple[tuple[str, Any], ...]]:
    """Settings worth a look, at the smallest sizes: what each scene and pane begins with, and every choice."""
    known = knobs(find(experiment).config_class())
    small = {name: knob.type(knob.low) for name, knob in known.items() if (knob.type, knob.scale) == (int, "log")}
    several = [{**scene.preset, **pane} for scene in scenes for pane in scene.panes]
    several += [{knob.name: choice} for knob in known.values() for choice in knob.choices]
    changed = [{name: value for name, value in values.items() if value != known[name].default} for values in several]
    return {tuple(sorted({**small, **values}.items())) for values in changed}


def shown(experiment: str, values: tuple[tuple[str, Any], ...]) -> tuple[set[str], set[str], set[str]]:
    """Metrics, views and the names in the views of a real run's first frames; none where the values do not agree."""
    try:
        run = Run(find(experiment), dict(values), 0)
    except Plain as refusal:
        if refusal.code not in UNSUITED:
            raise
        return set(), set(), set()
    frames = [run.frame()]
    for _ in range(FIRST_STEPS):
        run.advance()
        frames.append(run.frame())
    views = {name: view for frame in frames for name, view in frame.views.items()}
    names = {name for view in views.values() for name in names_in(view)}
    return set(frames[-1].metrics), set(views), names


def names_in(view: View) -> set[str]:
    """The identifiers in a view that the stage puts into words; numbers, and a text's own “words”, need none."""
    found: set[str] = set()
    if view.kind == "sketch":
        return {*view.names, *([view.title] if view.title else [])}
    for field in ("points", "series", "levels", "counts", "marks", "pieces", "kinds"):
        found |= set(getattr(view, field, {}))
    if view.kind in ("bars", "images"):
        found |= set(view.labels)
    return {name for name in found if len(name) > 1 and name[0] != "“" and re.search(r"[^\W\d_]", name)}


def needed(topic: Topic) -> set[str]:
    """Every key that the page of this topic looks up."""
    keys = {"title", "idea", "differences", "references"}
    for scene in topic.scenes:
        experiment = find(scene.experiment)
        known = knobs(experiment.config_class())
        keys |= {f"scenes.{scene.id}.{part}" for part in ("title", "caption", "see")}
        keys |= {f"knobs.{name}.{part}" for name in scene.knobs for part in ("label", "help")}
        keys |= {f"knobs.{name}.choices.{c}" for name in scene.knobs for c in known[name].choices if isinstance(c, str)}
        keys |= {f"phases.{phase}" for phase in experiment.phases}
        keys |= {f"metrics.{name}.{part}" for name in scene.metrics for part in ("label", "help")}
        keys |= {f"views.{name}.title" for row in scene.layout for name in row.split() if name != "."}
        keys |= {f"remedies.{name}" for name in scene.remedies}
        keys |= {f"formulas.{formula.key}.{part}" for formula in scene.code for part in ("title", "words")}
    return keys


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_page_finds_every_word_it_looks_up(topic):
    for language in both(topic.folder):
        assert sorted(needed(topic) - language.keys()) == []
        prose = {key: text for key, text in language.items() if key.split(".")[-1] in PROSE}
        assert [key for key, text in prose.items() if len(text) < 15] == [], "still to be written"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_no_word_is_left_over(topic):
    """A section for a knob, phase, view, remedy, formula or scene that is not there was left by a renamed one."""
    known = {tuple(key.split(".")[:2]) for key in needed(topic)}
    for experiment, module in catalogue().items():
        if module.startswith(f"apps.{topic.name}."):
            known |= {("knobs", name) for name in knobs(find(experiment).config_class())}
    sections = ("knobs", "phases", "views", "remedies", "formulas", "scenes")
    there = {(section, name) for section in sections for name in tree(topic.folder, "en").get(section, {})}
    assert sorted(there - known) == []


LATE = {"episode_return", "entropy"}  # come with the first episode that is over, and with the first update


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_everything_on_a_stage_has_a_name(topic):
    """Real runs of every scene and of every choice: what they show is what the text names, and scenes lay out."""
    words = tree(topic.folder, "en")
    named = set(words.get("names", {})) | set(words.get("metrics", {}))
    for experiment in {scene.experiment: None for scene in topic.scenes}:
        scenes = [scene for scene in topic.scenes if scene.experiment == experiment]
        runs = [shown(experiment, values) for values in starts(experiment, scenes)]
        metrics, views, names = (set().union(*parts) for parts in zip(*runs, strict=True))
        assert sorted(names - named) == []
        for scene in scenes:
            assert set(scene.metrics) <= metrics | LATE, scene.id
            assert {name for row in scene.layout for name in row.split()} - {"."} <= views, scene.id


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_scene_asks_for_a_prediction(topic):
    for language in LANGUAGES:
        for scene in topic.scenes:
            challenges = tree(topic.folder, language)["scenes"][scene.id].get("challenges", [])
            assert challenges, scene.id
            for challenge in challenges:
                assert challenge.keys() == {"ask", "options", "answer", "why"}
                assert 2 <= len(set(challenge["options"])) == len(challenge["options"]) <= 4
                assert 0 <= challenge["answer"] < len(challenge["options"])
