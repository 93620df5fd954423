"""Who is looking, in which language, at what: all that an address and a browser say about a visit."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from shared.live.experiment import SEED_HIGH, Plain, knobs
from shared.live.registry import find
from shared.live.stage import OWNER_COOKIE
from shared.ui.scene import Scene, Topic
from shared.ui.text import LANGUAGES

# Words in an address that are no knobs.
RESERVED = ("lang", "lecture", "scene", "seed", "watch", "embed", "embed_options")
NOTICES = 5


@dataclass
class Visit:
    """One run of the script for one browser."""

    language: str
    lecture: bool
    owner: str
    notices: list[Plain] = field(default_factory=list)


def visit() -> Visit:
    """Read the address and the browser. The language stays when the page changes; so does lecture mode."""
    state = st.session_state
    asked = st.query_params.get("lang", state.get("language") or (st.context.locale or "en")[:2])
    state.language = asked if asked in LANGUAGES else "en"
    state.lecture = st.query_params.get("lecture", "1" if state.get("lecture") else "0") == "1"
    state.owner = state.get("owner") or _cookie() or secrets.token_urlsafe(18)
    found = Visit(state.language, state.lecture, state.owner)
    if asked not in LANGUAGES and "lang" in st.query_params:
        found.notices.append(Plain("knob_choice", name="lang", value=_short(asked), allowed=", ".join(LANGUAGES)))
    return found


def _cookie() -> str | None:
    """The owner's name that this browser was given before, if it looks like one."""
    cookie = st.context.cookies.get(OWNER_COOKIE, "")
    return cookie if re.fullmatch(r"[\w-]{20,40}", cookie) else None


def _short(value: str) -> str:
    return value if len(value) <= 40 else value[:40] + "…"


def keep_in_address(**values: str | None) -> None:
    """Write to the address bar what differs from it; None takes a word out."""
    for name, value in values.items():
        if value is None and name in st.query_params:
            del st.query_params[name]
        elif value is not None and st.query_params.get(name) != value:
            st.query_params[name] = value


def forget_knobs() -> None:
    """Take every knob and the seed out of the address: another scene begins."""
    kept = {name: st.query_params[name] for name in st.query_params if name in RESERVED and name != "seed"}
    st.query_params.from_dict(kept)


def chosen_scene(topic: Topic, now: Visit) -> Scene:
    """The scene the address names; the first, with a notice, where there is none of that name."""
    asked = st.query_params.get("scene", topic.scenes[0].id)
    scene = topic.scene(asked)
    if scene is None:
        allowed = ", ".join(scene.id for scene in topic.scenes)
        now.notices.append(Plain("knob_choice", name="scene", value=_short(asked), allowed=allowed))
    return scene or topic.scenes[0]


def pane_prefix(pane: int) -> str:
    """How the knobs of a scene's second and third stage are told apart in the address: "b.loss"."""
    return "" if pane == 0 else f"{'abcdef'[pane]}."


def start_values(scene: Scene, pane: int) -> dict[str, Any]:
    """Every knob of a pane as the scene sets it."""
    known = knobs(find(scene.experiment).config_class())
    return {name: knob.default for name, knob in known.items()} | dict(scene.preset) | dict(scene.panes[pane])


def asked_values(scene: Scene, pane: int, query: Mapping[str, str], now: Visit) -> tuple[dict[str, Any], int]:
    """A pane's knobs and seed as the address sets them over the scene's own. What makes no sense is named in a
    notice and left out."""
    values, seed = start_values(scene, pane), 0
    known = knobs(find(scene.experiment).config_class())
    prefix = pane_prefix(pane)
    for name, text in query.items():
        if name == "seed":
            if text.isdecimal() and len(text) <= 10 and int(text) <= SEED_HIGH:
                seed = int(text)
            elif pane == 0:
                now.notices.append(Plain("seed_type", value=_short(text), high=SEED_HIGH, default=seed))
        elif name.startswith(prefix) and name[len(prefix) :] in known:
            try:
                values[name[len(prefix) :]] = known[name[len(prefix) :]].check(text)
            except Plain as problem:
                now.notices.append(problem)
        elif pane == 0 and name not in RESERVED and not re.fullmatch(r"[b-f]\.\w+", name):
            now.notices.append(Plain("knob_unknown", name=_short(name), allowed=", ".join(known)))
        if len(now.notices) > NOTICES:
            break
    return values, seed
