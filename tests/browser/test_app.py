"""The app driven as a person drives it, in real Chromium."""

import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.drive import PATIENCE, STAGE, control, family_of, read, stage_of, wait_for

pytestmark = pytest.mark.browser


def open_gans(page: Page, app: str, query: str = ""):
    page.goto(f"{app}/gans?lang=en{query}")
    return stage_of(page)


def state(stage) -> str:
    return stage.get_attribute("data-state") or ""


def step(stage) -> int:
    return int(stage.get_attribute("data-step") or 0)


def pause(stage) -> int:
    """Press pause; the step at which the picture, too, has come to rest."""
    control(stage, "pause").click()
    wait_for(lambda: state(stage) == "paused")
    return rest(stage)


def rest(stage) -> int:
    """The step on a paused stage, once the last frame is drawn: it comes after the word."""
    seen = [-1]

    def still() -> bool:
        seen.append(step(stage))
        return seen[-1] == seen[-2]

    wait_for(still, every=1.0)
    return seen[-1]


def query_of(page: Page) -> dict[str, list[str]]:
    # Asked of the page: Playwright's own `page.url` changes only while it is asked something else.
    return parse_qs(urlsplit(page.evaluate("location.href")).query)


def set_slider(stage, name: str, notches: int) -> None:
    control(stage, f"knob:{name}").evaluate(
        """(e, n) => { e.valueAsNumber += n * +e.step;
             for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true})); }""",
        notches,
    )


def no_traceback(page: Page) -> None:
    text = page.inner_text("body")
    assert "Traceback" not in text and "Error:" not in text, text[:500]


def test_a_page_opens_and_something_moves(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: state(stage) == "playing" and step(stage) > 5)
    assert stage.get_attribute("data-experiment") == "gans/points"
    assert stage.get_attribute("data-role") == "owner"
    for name in ("pause", "step", "phase", "reset", "new-seed", "speed", "seek", "knob:lr_generator"):
        assert control(stage, name).count() == 1, name
    assert stage.locator("[data-view=plane] canvas").count() >= 1
    no_traceback(page)


def test_a_live_knob_moves_the_run_without_a_rerun_and_is_in_the_address(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: step(stage) > 5)
    stage.evaluate("e => { e.witness = 1; }")
    before = step(stage)
    set_slider(stage, "lr_generator", -20)
    wait_for(lambda: "lr_generator" in query_of(page))
    wait_for(lambda: step(stage) > before)
    assert stage.evaluate("e => e.witness") == 1, "the stage was built anew"
    assert float(stage.get_attribute("data-latency-ms") or "nan") > 0
    # The same address in another person's browser starts with the same knob.
    rate = query_of(page)["lr_generator"][0]
    assert float(rate) != pytest.approx(1e-3)


def test_a_link_reproduces_what_is_on_the_screen(chromium: Browser, app: str) -> None:
    seen = []
    for _ in range(2):
        context = chromium.new_context()
        stage = open_gans(context.new_page(), app, "&seed=7&dataset=grid&lecture=1")
        wait_for(lambda stage=stage: state(stage) == "paused")
        control(stage, "step").click()
        wait_for(lambda stage=stage: step(stage) == 1)
        wait_for(lambda stage=stage: stage.locator("[data-metric=loss_generator]").get_attribute("data-value"))
        time.sleep(0.3)
        seen.append(stage.locator("[data-metric]").evaluate_all("es => es.map(e => e.dataset.value)"))
        context.close()
    assert seen[0] == seen[1]


def test_step_phase_and_reset(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: state(stage) == "playing")
    before = pause(stage)
    control(stage, "step").click()
    wait_for(lambda: step(stage) == before + 1)
    for _ in range(6):
        control(stage, "phase").click()
        time.sleep(0.2)
    wait_for(lambda: step(stage) == before + 2)
    control(stage, "reset").click()
    wait_for(lambda: step(stage) == 0)


def test_the_history_is_looked_back_at_while_the_run_goes_on(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: step(stage) > 60)
    control(stage, "seek").evaluate(
        "e => { e.valueAsNumber = +e.min; e.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    wait_for(lambda: step(stage) <= 30)
    assert state(stage) == "playing"
    control(stage, "live").click()
    wait_for(lambda: step(stage) > 60)


def test_both_languages_keep_the_run(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: step(stage) > 5)
    before = step(stage)
    page.get_by_text("Español", exact=True).click()
    page.get_by_role("button", name="Pausar").wait_for()
    assert query_of(page)["lang"] == ["es"]
    stage = stage_of(page)
    assert step(stage) >= before
    expect(page.get_by_role("button", name="Modo clase")).to_be_visible()


def test_a_clicker_drives_the_lecture(page: Page, app: str) -> None:
    stage = open_gans(page, app, "&lecture=1")
    wait_for(lambda: state(stage) == "paused")
    assert step(stage) == 0, "in a lecture nothing moves before the key"
    page.keyboard.press("Space")
    wait_for(lambda: state(stage) == "playing" and step(stage) > 0)
    page.keyboard.press("Space")
    wait_for(lambda: state(stage) == "paused")
    before = rest(stage)
    page.keyboard.press("s")
    wait_for(lambda: step(stage) == before + 1)
    page.keyboard.press("r")
    wait_for(lambda: step(stage) == 0)
    title = page.locator(f"{STAGE} h2.title").inner_text()
    page.keyboard.press("PageDown")
    wait_for(lambda: query_of(page).get("scene", ["points"]) != ["points"])
    wait_for(lambda: page.locator(f"{STAGE} h2.title").first.inner_text() != title)
    page.keyboard.press("PageUp")
    wait_for(lambda: query_of(page).get("scene") == ["points"])
    box = stage_of(page).bounding_box()
    assert box and box["width"] >= 1023 and box["height"] >= 719
    page.keyboard.press("Escape")
    wait_for(lambda: "lecture" not in query_of(page))


@pytest.mark.parametrize(
    "query, says",
    [
        ("&scene=nonsense", "nonsense"),
        ("&lr_generator=99", "99"),
        ("&lr_generator=nan", "nan"),
        ("&seed=soup", "soup"),
        ("&seed=-1", "-1"),
        ("&bogus=1", "bogus"),
        ("&dataset=%3Cscript%3Ealert(1)%3C/script%3E", "alert"),
    ],
)
def test_a_bad_address_is_named_and_the_default_used(page: Page, app: str, query: str, says: str) -> None:
    stage = open_gans(page, app, query)
    wait_for(lambda: step(stage) > 0)
    assert says in page.locator("[data-testid=stAlert]").first.inner_text()
    no_traceback(page)


def test_an_address_of_100_kilobytes_stops_nobody(page: Page, app: str) -> None:
    try:
        page.goto(f"{app}/gans?lang=en&x={'a' * 100_000}", timeout=15_000)
    except Exception:
        pass  # a browser or a server may refuse it outright
    stage = open_gans(page, app)
    wait_for(lambda: step(stage) > 0)
    no_traceback(page)


def test_a_reloaded_page_finds_its_run_and_two_tabs_share_it(context: BrowserContext, page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: step(stage) > 20)
    left = pause(stage)
    page.reload()
    stage = stage_of(page)
    assert rest(stage) == left
    second = open_gans(context.new_page(), app)
    assert rest(second) == left
    control(second, "step").click()
    wait_for(lambda: step(stage) == left + 1)


def test_another_person_has_a_run_of_their_own_and_a_viewer_only_watches(
    chromium: Browser, page: Page, app: str
) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: step(stage) > 5)
    pause(stage)
    other = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    watching = other.new_page()
    watching.set_default_timeout(1000 * PATIENCE)
    theirs = open_gans(watching, app)
    wait_for(lambda: state(theirs) == "playing")
    assert state(stage) == "paused"
    link = stage.evaluate("e => e.dataset.share")
    watching.goto(f"{app}/gans{link}&lang=en")
    watched = stage_of(watching)
    assert watched.get_attribute("data-role") == "viewer"
    assert rest(watched) == step(stage)
    assert control(watched, "play").count() == 0
    other.close()


def test_a_link_to_a_run_that_is_gone_gives_one_of_your_own(page: Page, app: str) -> None:
    stage = open_gans(page, app, "&watch=" + "x" * 32)
    assert "has ended" in page.get_by_test_id("stAlert").inner_text()
    assert stage.get_attribute("data-role") == "owner"
    assert "watch" not in parse_qs(urlsplit(page.url).query)
    wait_for(lambda: step(stage) > 5)


def test_a_rate_that_diverges_is_said_and_reset_starts_again(page: Page, app: str) -> None:
    query = "&loss=wasserstein_gp&optimizer=sgd&lr_discriminator=0.1&lr_generator=0.1&discriminator_updates=10"
    stage = open_gans(page, app, query)
    wait_for(lambda: state(stage) == "failed")
    assert "finite" in stage.locator("[role=alert]").inner_text()
    assert int(stage.get_attribute("data-frames") or 0) > 0
    set_slider(stage, "lr_discriminator", -150)
    set_slider(stage, "lr_generator", -150)
    control(stage, "reset").click()
    wait_for(lambda: state(stage) in ("paused", "playing"))
    no_traceback(page)


def test_drawing_is_learned_by_the_running_run(page: Page, app: str) -> None:
    stage = open_gans(page, app, "&dataset=drawn")
    wait_for(lambda: step(stage) > 5)
    before = step(stage)
    box = stage.locator("[data-view=plane] canvas").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    for i in range(10):
        page.mouse.move(box["x"] + box["width"] * (0.3 + 0.04 * i), box["y"] + box["height"] * 0.3)
    page.mouse.up()
    wait_for(lambda: step(stage) > before)
    assert state(stage) == "playing"


def test_a_run_that_cannot_be_built_says_why(page: Page, app: str) -> None:
    page.goto(f"{app}/transformers?lang=en&scene=tiny_gpt&own_text=too+short")
    stage = page.locator(STAGE).first
    wait_for(lambda: state(stage) == "failed")
    assert "500" in stage.locator("[data-message]").inner_text()
    assert control(stage, "knob:own_text").input_value() == "too short"
    no_traceback(page)


def test_a_killed_worker_is_said_and_the_run_goes_on(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: step(stage) > 20)
    time.sleep(3.5)  # a checkpoint is made every three seconds
    for worker in family_of(app)[1:]:
        worker.kill()
    wait_for(lambda: re.search(r"process that computed", stage.inner_text()) is not None, 2.0)
    wait_for(lambda: state(stage) == "playing")
    after = step(stage)
    wait_for(lambda: step(stage) > after + 5)
    no_traceback(page)


def test_frames_keep_coming_while_it_plays(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    wait_for(lambda: state(stage) == "playing")
    before = read(stage)
    wait_for(lambda: read(stage)[1] > before[1] + 5 and read(stage)[2] > before[2] + 5)


def test_every_scene_draws_each_of_its_views(page: Page, app: str) -> None:
    from apps.course import TOPICS

    for topic in TOPICS:
        for scene in topic.scenes:
            page.goto(f"{app}/{topic.address}?lang=es&scene={scene.id}")
            for pane in range(len(scene.panes)):
                stage = stage_of(page, pane)
                for name in set(" ".join(scene.layout).split()) - {".", *scene.spare}:
                    view = stage.locator(f"[data-view={name}]")
                    assert view.count() == 1, f"{scene.id}: {name}"
                    wait_for(lambda view=view: view.get_attribute("data-kind"))
            no_traceback(page)


def test_a_robot_is_pulled_by_the_mouse_and_let_go(page: Page, app: str) -> None:
    page.goto(f"{app}/reinforcement-learning?lang=en&scene=robot")
    stage = stage_of(page)
    wait_for(lambda: state(stage) == "playing")
    force = stage.locator("[data-metric=hand_force]")
    canvas = stage.locator("[data-view=play] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.6
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 30, y - 120, steps=5)
    wait_for(lambda: force.inner_text() not in ("0", "–"))
    page.mouse.up()
    wait_for(lambda: force.inner_text() == "0")
    no_traceback(page)


def test_stage_root_is_unique_per_pane(page: Page, app: str) -> None:
    open_gans(page, app, "&scene=race")
    wait_for(lambda: page.locator(STAGE).count() == 2)
    first, second = stage_of(page, 0), stage_of(page, 1)
    wait_for(lambda: state(first) == "playing" and state(second) == "playing")
    control(first, "pause").click()
    wait_for(lambda: state(first) == "paused" and state(second) == "paused")


def test_a_curve_tells_its_exact_values_under_the_mouse(page: Page, app: str) -> None:
    stage = open_gans(page, app)
    pause(stage)
    control(stage, "reset").click()
    for count in range(4):
        wait_for(lambda count=count: step(stage) == count)
        control(stage, "step").click()
    wait_for(lambda: step(stage) == 4)
    box = stage.locator("[data-view=losses] canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 14, box["y"] + 0.5 * box["height"])
    wait_for(stage.locator(".tip").is_visible)
    lines = stage.locator(".tip").inner_text().splitlines()
    shown = stage.locator("[data-metric=loss_generator]").inner_text()
    assert int(lines[0].replace(",", "")) == step(stage) - 1  # the update before the step shown is the last one noted
    assert lines[2].split(": ")[1] == shown
