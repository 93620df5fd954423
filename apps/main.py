"""The entry: Streamlit's pages, the stage's files and the live socket in one server.

python -m streamlit run apps/main.py
"""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator

import streamlit as st

from shared.live.engine import the_engine
from shared.live.stage import routes


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Workers start, and import torch, while the first browser is still opening its page."""
    engine = the_engine()
    send_at_once()
    try:
        await asyncio.to_thread(_warm_pages)
        yield
    finally:
        engine.close()


def send_at_once() -> None:
    """No small message waits for the receipt of the one before (Nagle's algorithm): it cost an answer 20 ms.

    Connections have this from the socket that listens. asyncio would see to it, but only for sockets that were made
    with their protocol's number, and Streamlit's is not.
    """
    for found in gc.get_objects():
        if type(found) is socket.socket and found.type == socket.SOCK_STREAM and found.fileno() >= 0:
            if found.family in (socket.AF_INET, socket.AF_INET6):
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _warm_pages() -> None:
    """Import every page now, out of the garbage collector's rounds: they cost a fifth of the time."""
    gc.disable()
    import apps.course  # noqa: F401

    gc.freeze()
    gc.enable()


app = st.App("pages.py", routes=routes(the_engine), lifespan=lifespan)
