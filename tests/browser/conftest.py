"""One server and one Chromium for all browser tests; skipped, in a sentence, where there is no Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import drive


@pytest.fixture(scope="session")
def app() -> Iterator[str]:
    if drive.chromium_path() is None:
        pytest.skip("no Chromium on this machine: `make test` installs one where it may")
    with drive.server() as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if drive.chromium_path() is None:
        pytest.skip("no Chromium on this machine: `make test` installs one where it may")
    with drive.browser() as found:
        yield found


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One person: cookies of their own. Nothing may load from another machine, and no page may raise an error."""
    found = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-GB")
    found.set_default_timeout(1000 * drive.PATIENCE)
    foreign: list[str] = []
    errors: list[str] = []
    found.on(
        "request", lambda r: foreign.append(r.url) if "//localhost" not in r.url and "data:" not in r.url else None
    )
    found.on("weberror", lambda problem: errors.append(str(problem.error)))
    yield found
    found.close()
    foreign = [url for url in foreign if not url.startswith("blob:")]
    assert not foreign, f"loaded from elsewhere: {foreign[:3]}"
    assert not errors, errors[:3]


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
