"""The first page: the course as a map, and what is running now."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from shared.live.engine import the_engine
from shared.ui.frame import Home, header
from shared.ui.models import models_panel
from shared.ui.scene import Topic
from shared.ui.text import Text, text
from shared.ui.visit import Visit

HERE = Path(__file__).parent
COLUMNS = 2


def show(now: Visit, its: Text, topics: Sequence[Topic]) -> None:
    """The course map, then what is running."""
    header(its("title"), now)
    st.markdown(f"#### {its('idea')}")
    st.markdown(its("how"))
    st.header(its("map"))
    columns = st.columns(COLUMNS)
    for number, topic in enumerate(topics):
        with columns[number % COLUMNS].container(border=True):
            _card(now, topic, its)
    st.header(its("running"))
    _running(now, its)
    st.header(its("models.title"))
    models_panel(now, its)


def _card(now: Visit, topic: Topic, its: Text) -> None:
    """One topic: its idea, and a link to each of its scenes."""
    words = text(topic.folder, now.language)
    st.subheader(f"{topic.icon} {words('title')}")
    st.markdown(words("idea"))
    for scene in topic.scenes:
        query = {"lang": now.language, "scene": scene.id} | ({"lecture": "1"} if now.lecture else {})
        st.page_link(st.session_state.pages[topic.address], label=words(f"scenes.{scene.id}.title"), query_params=query)


@st.fragment(run_every=2.0)
def _running(now: Visit, its: Text) -> None:
    """This browser's runs, and how many there are in all."""
    mine, everybody, playing = the_engine().census(now.owner)
    st.caption(its("everybody", runs=everybody, playing=playing))
    if not mine:
        st.markdown(its("nothing"))
    for experiment_id, state, step in mine:
        st.markdown(its("run", experiment=experiment_id, state=its(f"states.{state}"), step=step))


HOME = Home(HERE, show)
