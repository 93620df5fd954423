"""One server and one Chromium for all browser tests; skipped, in a sentence, where there is no Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, WebError

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


@pytest.fixture(scope="session")
def visits(chromium: Browser) -> Iterator[BrowserContext]:
    """One browser's cache for all tests: without it each would load and compile Streamlit's scripts anew."""
    found = chromium.new_context(viewport={"width": 1024, "height": 720}, locale="en-GB")
    found.set_default_timeout(1000 * drive.PATIENCE)
    yield found
    found.close()


@pytest.fixture
def context(visits: BrowserContext) -> Iterator[BrowserContext]:
    """One person: cookies of their own. Nothing may load from another machine, and no page may raise an error."""
    visits.clear_cookies()
    foreign: list[str] = []
    errors: list[str] = []

    def request(sent: Request) -> None:
        if "//localhost" not in sent.url and not sent.url.startswith(("data:", "blob:")):
            foreign.append(sent.url)

    def problem(found: WebError) -> None:
        errors.append(str(found.error))

    visits.on("request", request)
    visits.on("weberror", problem)
    yield visits
    for page in visits.pages:
        page.close()
    visits.remove_listener("request", request)
    visits.remove_listener("weberror", problem)
    assert not foreign, f"loaded from elsewhere: {foreign[:3]}"
    assert not errors, errors[:3]


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
