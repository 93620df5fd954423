"""The stage: the one browser component. It draws a run's frames and sends back what the person does.

Its files are plain ES modules in `static/`, served by this server under an address that changes when they do,
so that a browser may keep them for good.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket

from shared.live.engine import Engine
from shared.live.stream import Stream, same_origin

STATIC = Path(__file__).with_name("static")
# A browser keeps this cookie; by it a reopened page finds its own runs again.
OWNER_COOKIE = "vivarium_owner"

LOADER = """
export default async function (component) {
  const { data } = component;
  if (data.owner) document.cookie = `COOKIE=${data.owner}; path=/; SameSite=Strict; max-age=86400`;
  // All at once: a browser that learns of each file from the one before asks for them one after another.
  for (const name of document.querySelector(`link[href^="${data.assets}"]`) ? [] : data.modules) {
    const link = Object.assign(document.createElement("link"), { rel: "modulepreload", href: data.assets + name });
    document.head.append(link);
  }
  const { mount } = await import(new URL(data.assets + "stage.js", location.origin).href);
  return mount(component);
}
""".replace("COOKIE", OWNER_COOKIE)


@cache
def assets() -> str:
    """The address that the stage's files are served under: "/stage/<digest of them all>/"."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return f"/stage/{digest.hexdigest()[:12]}/"


@cache
def modules() -> list[str]:
    """The names of the stage's JavaScript files."""
    return sorted(path.name for path in STATIC.glob("*.js"))


class Kept(StaticFiles):
    """Files at an address that names their content: a browser asks once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def routes(engine: Callable[[], Engine]) -> list[Mount | Route | WebSocketRoute]:
    """What a server must mount for stages to work: their files and the live socket."""

    async def live(socket: WebSocket) -> None:
        if not same_origin(socket):
            await socket.close(4403)
            return
        await Stream(engine(), socket).serve(socket.path_params["token"])

    return [
        Mount(assets().rstrip("/"), Kept(directory=STATIC)),
        WebSocketRoute("/live/{token}", live),
    ]


_component: Callable[..., Any] | None = None


def stage(
    token: str, data: Mapping[str, Any], key: str, on_scene: Callable[[], None], on_lecture: Callable[[], None]
) -> Any:
    """Mount a stage on the run that `token` opens.

    data: what the stage needs to know: layout, views, knobs, words, metrics, phases, remedies, caption, title,
    scenes, language, lecture, autoplay, group, url, role, owner. See static/stage.js.
    on_scene is called, before the script runs again, when a clicker asks for another scene: the scene's id is
    then `st.session_state[key].scene`. on_lecture: the same, when the lecture is left.
    """
    global _component
    if _component is None:
        _component = st.components.v2.component("vivarium_stage", html="<div></div>", js=LOADER)
    known = {"token": token, "socket": f"/live/{token}", "assets": assets(), "modules": modules()}
    return _component(key=key, data=known | dict(data), on_scene_change=on_scene, on_lecture_change=on_lecture)
