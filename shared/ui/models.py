"""The panel of pretrained models: what there is, how it stands, and buttons to make it ready or to free its place."""

from datetime import datetime

import streamlit as st

from shared.live.messages import Plain, sentence
from shared.models.cache import State, the_cache
from shared.models.catalog import Model
from shared.models.warming import the_warming
from shared.ui.text import Text
from shared.ui.visit import Visit


@st.fragment(run_every=2.0)
def models_panel(now: Visit, its: Text) -> None:
    """Every model of the catalog; the words are those of the section `models`."""
    cache, warming = the_cache(), the_warming()
    st.markdown(its("models.idea"))
    if st.button(its("models.warm_all"), key="warm_all", disabled=warming.progress() is not None):
        warming.ask(cache.within_reach())
    if (progress := warming.progress()) is not None:
        left = "…" if progress.seconds_left is None else progress.seconds_left
        st.progress(progress.share, its("models.progress", done=progress.done, asked=progress.asked, left=left))
    for model in cache.models.values():
        with st.container(border=True):
            _model(now, its, model, cache.state(model.id))


def _model(now: Visit, its: Text, model: Model, state: State) -> None:
    """One model: its words, how it stands, its two buttons, and what went wrong the last time."""
    about, buttons = st.columns([4, 1])
    about.markdown(f"**{model.id}**: {its(f'models.tasks.{model.task}')} · {_standing(its, model, state)}")
    about.caption(" · ".join(_facts(its, now, model, state)))
    warming = the_warming()
    if model.shipped is None and not state.bytes:
        busy = warming.share(model.id) is not None
        if buttons.button(its("models.warm"), key=f"warm_{model.id}", disabled=busy):
            warming.ask([model.id])
            st.rerun(scope="fragment")
    elif model.shipped is None and buttons.button(its("models.free"), key=f"free_{model.id}", disabled=state.users > 0):
        try:
            the_cache().free(model.id)
            st.rerun(scope="fragment")
        except Plain as problem:
            warming.problems[model.id] = problem
    if (found := warming.problems.get(model.id)) is not None:
        st.warning(sentence(found.code, found.details, now.language))


def _standing(its: Text, model: Model, state: State) -> str:
    share = the_warming().share(model.id)
    if share is not None:
        return its("models.states.warming", percent=f"{share:.0%}".rstrip("%"))
    if state.users:
        return its("models.states.open", users=state.users)
    return its(f"models.states.{'shipped' if model.shipped else 'ready' if state.bytes else 'absent'}")


def _facts(its: Text, now: Visit, model: Model, state: State) -> list[str]:
    """Architecture, size, licence, source, pages and last use, as far as they are known."""
    size = f"{(state.bytes or model.size) / 1e6:.1f}"
    facts = [model.architecture[now.language], its("models.size", size=size, licence=model.licence)]
    kind, _, name = (state.source or "download").partition(" ")
    source = its(f"models.sources.{kind}", name=name)
    facts.append(its("models.source", source=source, pages=", ".join(model.pages) or its("models.no_page")))
    if state.last_used:
        when = datetime.fromtimestamp(state.last_used).strftime("%Y-%m-%d %H:%M")
        facts.append(its("models.last_used", when=when))
    return facts
