"""The frame that every page shares: navigation, language, lecture mode, a topic's scenes and its prose."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from shared.live.engine import the_engine
from shared.live.experiment import Plain, knobs
from shared.live.messages import sentence, words
from shared.live.registry import find
from shared.live.stage import stage
from shared.ui.scene import Scene, Topic
from shared.ui.text import LANGUAGES, Text, text
from shared.ui.visit import (
    NOTICES,
    Visit,
    asked_values,
    chosen_scene,
    forget_knobs,
    keep_in_address,
    pane_prefix,
    start_values,
    visit,
)

HERE = Path(__file__).parent
STAGE_FIRST = 1.0  # s that the prose waits for the stage, at most
LANGUAGE_NAMES = {"en": "English", "es": "Español"}


@dataclass(frozen=True)
class Home:
    """The first page: its words and what it shows."""

    folder: Path
    show: Callable[[Visit, Text, Sequence[Topic]], None]


def show(home: Home, topics: Sequence[Topic]) -> None:
    """Run the whole app for one visit."""
    now = visit()
    own = text(HERE, now.language)
    # A file of our own: Streamlit would fetch a `:material/…:` one from another server.
    st.set_page_config(page_title="Vivarium", page_icon=str(HERE / "vivarium.svg"), layout="wide")

    def page(title: str, icon: str, address: str, run: Callable[[], None], default: bool = False) -> Any:
        return st.Page(run, title=title, icon=icon, url_path=address, default=default)

    home_text = text(home.folder, now.language)
    pages = [page(own("home"), ":material/home:", "", lambda: home.show(now, home_text, topics), default=True)]
    for topic in topics:
        title = text(topic.folder, now.language)("title")
        pages.append(page(title, topic.icon, topic.address, partial(show_topic, topic, now)))
    # Other pages link to these; a page object is good for one run of the script.
    st.session_state.pages = {page.url_path: page for page in pages}
    chosen = st.navigation(pages, position="hidden" if now.lecture else "top")
    keep_in_address(lang=now.language, lecture="1" if now.lecture else None)
    st.html(HERE / "frame.css")
    chosen.run()


def header(title: str, now: Visit) -> None:
    """A page's title, and on its right the language and lecture mode."""
    own = text(HERE, now.language)
    name, language, lecture = st.columns([6, 2, 2], vertical_alignment="center")
    name.title(title, anchor=False)
    key = f"language-{now.language}"
    language.segmented_control(
        own("language"),
        LANGUAGES,
        default=now.language,
        required=True,
        format_func=LANGUAGE_NAMES.get,
        key=key,
        label_visibility="collapsed",
        on_change=lambda: keep_in_address(lang=st.session_state[key]),
    )
    lecture.button(
        own("lecture"),
        icon=":material/slideshow:",
        help=own("lecture_help"),
        on_click=keep_in_address,
        kwargs={"lecture": "1"},
    )


def show_topic(topic: Topic, now: Visit) -> None:
    """A topic's page: the idea, the stage, and what belongs to the scene on it."""
    own, its = text(HERE, now.language), text(topic.folder, now.language)
    scene = chosen_scene(topic, now)
    if not now.lecture:
        header(its("title"), now)
        st.markdown(its("idea"))
        _scene_picker(topic, scene, its, own)
        st.markdown(its(f"scenes.{scene.id}.caption"))
    above = st.container()
    tokens = _stages(topic, scene, now, its)
    for notice in now.notices[:NOTICES]:
        above.warning(sentence(notice.code, notice.details, now.language), icon=":material/warning:")
    if not now.lecture:
        _wait_for_stages(tokens)
        _prose(topic, scene, its, own)


def _wait_for_stages(tokens: Sequence[str]) -> None:
    """Until the stages show something: a browser that lays out the prose with them moves half a second later."""
    deadline = time.monotonic() + STAGE_FIRST
    for token in tokens:
        run, _ = the_engine().look_up(token)
        while not any(viewer.drawn for viewer in list(run.viewers)) and time.monotonic() < deadline:
            time.sleep(0.01)


def _scene_picker(topic: Topic, scene: Scene, its: Text, own: Text) -> None:
    """The scenes in the lecture's order."""

    def go() -> None:
        forget_knobs()
        keep_in_address(scene=st.session_state[key])

    key = f"scene-{topic.name}-{scene.id}"
    st.segmented_control(
        own("scenes"),
        [scene.id for scene in topic.scenes],
        default=scene.id,
        required=True,
        format_func=lambda scene_id: its(f"scenes.{scene_id}.title"),
        key=key,
        label_visibility="collapsed",
        on_change=go,
    )


def _stages(topic: Topic, scene: Scene, now: Visit, its: Text) -> list[str]:
    """One stage a pane, side by side. Returns the tokens of their runs."""
    watched = st.query_params.get("watch")
    if watched:
        try:
            the_engine().look_up(watched)
            _stage(topic, scene, 0, watched, now, its)
            return [watched]
        except Plain:
            now.notices.append(Plain("watched_gone"))
            keep_in_address(watch=None)
    try:
        tokens = [_token(topic, scene, pane, now) for pane in range(len(scene.panes))]
    except Plain as problem:
        now.notices.append(problem)
        return []
    columns = st.columns(len(tokens)) if len(tokens) > 1 else [st.container()]
    for pane, (column, token) in enumerate(zip(columns, tokens, strict=True)):
        with column:
            _stage(topic, scene, pane, token, now, its)
    return tokens


def _token(topic: Topic, scene: Scene, pane: int, now: Visit) -> str:
    """The owner's token of this pane's run: the one this visit has, the one this browser left, or a new one."""
    engine, place = the_engine(), f"{topic.name}/{scene.id}/{pane}"
    mine: dict[str, str] = st.session_state.setdefault("tokens", {})
    values, seed = asked_values(scene, pane, st.query_params.to_dict(), now)
    if place in mine:
        try:
            engine.look_up(mine[place])
            return mine[place]
        except Plain:
            del mine[place]
    left = engine.find(now.owner, place)
    if left is not None and (left.values, left.seed) == (values, seed):
        mine[place] = left.tickets.owner
    else:
        mine[place] = engine.open(scene.experiment, values, seed, now.owner, place).owner
    return mine[place]


def _stage(topic: Topic, scene: Scene, pane: int, token: str, now: Visit, its: Text) -> None:
    key = f"stage-{topic.name}-{scene.id}-{pane}"

    def go() -> None:
        asked = st.session_state[key].get("scene")
        if topic.scene(str(asked)) is not None:
            forget_knobs()
            keep_in_address(scene=asked)

    def leave() -> None:
        st.session_state.lecture = False
        keep_in_address(lecture=None)

    stage(token, _stage_data(topic, scene, pane, token, now, its), key, go, leave)


def _stage_data(topic: Topic, scene: Scene, pane: int, token: str, now: Visit, its: Text) -> dict[str, Any]:
    """What the stage needs to know of its run, in words of the visit's language."""
    run, role = the_engine().look_up(token)
    return {
        "experiment": scene.experiment,
        "language": now.language,
        "lecture": now.lecture,
        "autoplay": not now.lecture,
        "layout": list((now.lecture and scene.projected) or scene.layout),
        "spare": list(scene.spare),
        "views": its.all("views"),
        "knobs": _knob_widgets(scene, pane, its),
        "words": words(now.language) | {"names": its.all("names") | _labels(its.all("metrics"))},
        "notes": {name: metric.get("help", "") for name, metric in its.all("metrics").items()},
        "metrics": list((now.lecture and scene.projected_metrics) or scene.metrics),
        "phases": [{"id": p, "label": its(f"phases.{p}")} for p in find(scene.experiment).phases],
        "speeds": list(find(scene.experiment).speeds),
        "own_time": find(scene.experiment).tick_seconds > 0,
        "remedies": [
            {"id": name, "label": its(f"remedies.{name}"), "knobs": dict(moved)}
            for name, moved in scene.remedies.items()
        ],
        "title": its(f"scenes.{scene.id}.title"),
        "caption": its(f"scenes.{scene.id}.caption"),
        "panes": [pane, len(scene.panes)],
        "told_by": scene.told_by,
        "scenes": {"previous": topic.neighbour(scene, -1), "next": topic.neighbour(scene, 1)},
        "group": f"{topic.name}/{scene.id}" if len(scene.panes) > 1 else None,
        "url": pane_prefix(pane),
        "role": role,
        "owner": now.owner,
        "share": f"?lang={now.language}&scene={scene.id}&watch={run.tickets.viewer}" if role == "owner" else None,
    }


def _labels(section: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {name: entry["label"] for name, entry in section.items()}


def _knob_widgets(scene: Scene, pane: int, its: Text) -> list[dict[str, Any]]:
    """The scene's knobs with their words; a default is what the scene starts with."""
    known = knobs(find(scene.experiment).config_class())
    start = start_values(scene, pane)
    widgets = []
    for name in scene.knobs:
        words_of = its.all(f"knobs.{name}")
        widgets.append(
            known[name].as_json()
            | {
                "default": start[name],
                "label": its(f"knobs.{name}.label"),
                "help": its(f"knobs.{name}.help"),
                "choice_labels": words_of.get("choices", {}),
                "together": name in scene.together,
            }
        )
    return widgets


def _prose(topic: Topic, scene: Scene, its: Text, own: Text) -> None:
    """What you see, the maths beside the code, challenges, differences from the papers, references."""
    st.header(own("see"))
    st.markdown(its(f"scenes.{scene.id}.see"))
    if scene.code:
        st.header(own("maths"))
    for formula in scene.code:
        st.subheader(its(f"formulas.{formula.key}.title"))
        st.latex(formula.latex)
        left, right = st.columns([2, 3])
        left.markdown(its(f"formulas.{formula.key}.words"))
        right.code(inspect.getsource(formula.code), language="python", wrap_lines=True)
    _challenges(scene, its, own)
    with st.expander(own("differences")):
        st.markdown(its("differences"))
    with st.expander(own("references")):
        st.markdown(its("references"))


def _challenges(scene: Scene, its: Text, own: Text) -> None:
    """Predict, then try: the answer opens once a prediction is made."""
    challenges = its.all(f"scenes.{scene.id}.challenges")
    if challenges:
        st.header(own("challenges"))
    for number, challenge in enumerate(challenges):
        with st.container(border=True):
            key = f"challenge-{scene.id}-{number}"
            guess = st.radio(challenge["ask"], challenge["options"], index=None, key=key)
            if guess is not None:
                right = guess == challenge["options"][challenge["answer"]]
                st.markdown(f"**{own('right') if right else own('wrong')}** {challenge['why']}")
