"""Who does not see the screen, or has no mouse, can use every page."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from apps.course import TOPICS
from tests.browser import drive

pytestmark = pytest.mark.browser

SERIOUS = ("serious", "critical")
ADDRESSES = ["", *(topic.address for topic in TOPICS)]


def violations(page: Page) -> list[str]:
    """What axe-core finds and calls serious or worse, a line each: the rule and the elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {', '.join(str(node['target']) for node in rule['nodes'][:4])}"
        for rule in found
        if rule["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_axe_finds_nothing_serious(page: Page, app: str, address: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{app}/{address}?lang={'es' if scheme == 'dark' else 'en'}")
    if address:
        drive.stage_of(page)
    page.locator("h1").wait_for()
    assert violations(page) == []


def test_axe_finds_nothing_serious_in_a_lecture(page: Page, app: str) -> None:
    page.goto(f"{app}/gans?lecture=1&lang=es")
    drive.stage_of(page)
    assert violations(page) == []


def test_every_control_is_reached_by_the_keyboard_and_has_a_name(page: Page, app: str) -> None:
    page.goto(f"{app}/gans?lang=en")
    stage = drive.stage_of(page)
    wanted = set(stage.locator("[data-control]:visible:enabled").evaluate_all("all => all.map(e => e.dataset.control)"))
    drive.control(stage, "play").or_(drive.control(stage, "pause")).first.focus()
    reached = set()
    for _ in range(80):
        where = page.evaluate(
            """() => { let e = document.activeElement;
                 while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
                 return [e?.closest('[data-control]')?.dataset.control ?? null, e?.matches(':focus-visible')]; }"""
        )
        reached.add(where[0])
        page.keyboard.press("Tab")
    assert wanted - reached == set()
