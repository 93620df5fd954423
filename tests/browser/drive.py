"""The app as a person meets it: its own server on a free port, and a real Chromium."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
STAGE = "[data-testid=stage]"
PATIENCE = 180.0  # s until a test says that something never happens; how fast it happens is the benchmark's to say
CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium_path() -> str | None:
    """The system's Chromium or Chrome; None where there is none."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for found in map(shutil.which, names) if found), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(script: str = "apps/main.py", **environment: str) -> Iterator[str]:
    """A Streamlit server of `script` for as long as the block lasts. Yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    try:
        wait_for(lambda: answers(f"{address}/_stcore/health"))
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def family_of(address: str) -> list[psutil.Process]:
    """A server and its workers."""
    port = address.rsplit(":", 1)[1]
    parent = next(p for p in psutil.process_iter() if f"--server.port {port}" in " ".join(p.cmdline()))
    return [parent, *parent.children(recursive=True)]


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE, every: float = 0.25) -> None:
    """Block until `condition()` holds, asked `every` so many seconds: each question costs the page some of its time.

    Raises TimeoutError.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(every)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


def stage_of(page: Page, number: int = 0) -> Locator:
    """A page's stage, once it has drawn a frame."""
    stage = page.locator(STAGE).nth(number)
    stage.wait_for(timeout=1000 * PATIENCE)
    wait_for(lambda: int(stage.get_attribute("data-frames") or 0) > 0)
    return stage


def control(stage: Locator, name: str) -> Locator:
    return stage.locator(f'[data-control="{name}"]')


def read(stage: Locator) -> tuple[float, int, int]:
    """Now in seconds by the page's own clock, frames drawn, step shown."""
    now, frames, step = stage.evaluate("e => [performance.now() / 1000, +e.dataset.frames, +e.dataset.step]")
    return float(now), int(frames), int(step)
