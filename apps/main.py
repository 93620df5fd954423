"""The entry: Streamlit's pages, the stage's files and the live socket in one server.

python -m streamlit run apps/main.py
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import streamlit as st

from shared.live.engine import the_engine
from shared.live.stage import routes


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Workers start, and import torch, while the first browser is still opening its page."""
    engine = the_engine()
    try:
        await asyncio.to_thread(_warm_pages)
        yield
    finally:
        engine.close()


def _warm_pages() -> None:
    """Import every page now, out of the garbage collector's rounds: they cost a fifth of the time."""
    gc.disable()
    import apps.course  # noqa: F401

    gc.freeze()
    gc.enable()


app = st.App("pages.py", routes=routes(the_engine), lifespan=lifespan)
