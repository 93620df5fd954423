"""`make bench`: the figures that the project promises, measured in one go on this machine.

Prints `name value unit goal`, one a line, and exits with 1 if any falls short.
    python -m tests.bench [--only WORD] [--minutes 10]
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.bench.report import conclude, report
from tests.browser import drive
from tests.browser.drive import browser, control, family_of, read, server, stage_of


def wait_for(condition: Callable[[], object], seconds: float = drive.PATIENCE) -> None:
    """Asked often: what is waited for here is measured."""
    drive.wait_for(condition, seconds, every=0.02)


def p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def open_scene(chromium: Browser, address: str, scene: str, extra: str = "", topic: str = "gans") -> Page:
    page = chromium.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    page.set_default_timeout(1000 * drive.PATIENCE)
    page.goto(f"{address}/{topic}?lang=en&scene={scene}{extra}")
    return page


def rates(page: Page, seconds: float) -> tuple[float, float]:
    """Frames drawn and steps taken a second."""
    stage = stage_of(page)
    before = read(stage)
    time.sleep(seconds)
    after = read(stage)
    return (after[1] - before[1]) / (after[0] - before[0]), (after[2] - before[2]) / (after[0] - before[0])


class Watcher:
    """Plays a scene's run and watches it without a browser: it draws nothing. `step` is the last it was told."""

    def __init__(self, chromium: Browser, address: str, query: str) -> None:
        self.step = 0
        self.ended = threading.Event()
        page = chromium.new_context().new_page()
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(f"{address}/gans?lang=en&{query}")
        stage_of(page)
        self.token = next(url for url in sockets if "/live/" in url)
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        page.context.close()

    def watch(self) -> None:
        with connect(self.token, max_size=None) as socket, suppress(ConnectionClosed):
            socket.send(json.dumps({"op": "play"}))
            while not self.ended.is_set():
                message = socket.recv()
                if isinstance(message, bytes):
                    socket.send(json.dumps({"op": "ack"}))
                elif (told := json.loads(message))["type"] == "status":
                    self.step = told["step"]

    def close(self) -> None:
        self.ended.set()
        self.thread.join(5)


@contextmanager
def training(chromium: Browser, address: str, scene: str) -> Iterator[None]:
    """A scene's run trains beside, watched by a client that draws nothing."""
    watcher = Watcher(chromium, address, f"scene={scene}")
    try:
        yield
    finally:
        watcher.close()


def headless_rate(experiment: str, seconds: float) -> float:
    """Steps a second of the command line, with no frames but the first and the last."""
    command = [sys.executable, "-m", "shared.live", "run", experiment, "--steps", "1000000000"]
    command += ["--every", "1000000000", "--seconds", str(seconds), "--jsonl"]
    lines = subprocess.run(command, cwd=drive.ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return json.loads(lines[-1])["step"] / seconds


class Tab:
    """A page in a Chromium of its own, looked into between measurements only: to be followed costs a page a tenth of
    a core, since whatever comes through its sockets is reported."""

    def __init__(self, chromium: Browser, url: str) -> None:
        self.chromium, self.port = chromium, drive.free_port()
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [str(drive.chromium_path()), "--headless", *drive.CHROMIUM_FLAGS, "--window-size=1440,1087"]
        command += [f"--user-data-dir={self.folder.name}", f"--remote-debugging-port={self.port}", url]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for(lambda: drive.answers(f"http://127.0.0.1:{self.port}/json/version"))

    @contextmanager
    def stage(self) -> Iterator[Locator]:
        """Its stage, for as long as the block lasts."""
        connected = self.chromium.browser_type.connect_over_cdp(f"http://127.0.0.1:{self.port}")
        try:
            yield stage_of(connected.contexts[0].pages[0])
        finally:
            connected.close()

    def steps_per_second(self, seconds: float) -> float:
        with self.stage() as stage:
            start, _, before = read(stage)
        time.sleep(seconds)
        with self.stage() as stage:
            end, _, after = read(stage)
        return (after - before) / (end - start)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def latencies(tab: Tab, knob: str, count: int) -> list[float]:
    """Milliseconds from moving a knob to the first frame that shows it, as the stage measures them."""
    with tab.stage() as stage:
        control(stage, f"knob:{knob}").evaluate(
            """(e, [stage, count]) => {
                const input = e.matches('input') ? e : e.querySelector('input');
                window.latencies = [];
                const move = () => {
                  stage.dataset.latencyMs = '';
                  input.valueAsNumber += window.latencies.length % 2 ? -input.step : +input.step;
                  input.dispatchEvent(new Event('input', {bubbles: true}));
                  look();
                };
                const look = () => {
                  if (!stage.dataset.latencyMs) return setTimeout(look, 5);
                  window.latencies.push(+stage.dataset.latencyMs);
                  if (window.latencies.length < count) setTimeout(move, 100 + 50 * Math.random());
                };
                setTimeout(move, 1000);
            }""",
            [stage.element_handle(), count],
        )
    found: list[float] = []
    deadline = time.monotonic() + drive.PATIENCE
    while len(found) < count:
        time.sleep(1 + 0.25 * (count - len(found)))
        assert time.monotonic() < deadline, "a move of the knob was not answered"
        with tab.stage() as stage:
            found = stage.evaluate("window.latencies")
    return found


# -- the measurements ------------------------------------------------------------------------------------


def frames(chromium: Browser, address: str) -> None:
    """Frames a second, with the image GAN training beside, as it does beside what one would write without all this."""
    with training(chromium, address, "images"):
        page = open_scene(chromium, address, "points")
        stage_of(page)
        time.sleep(3)
        ours, _ = rates(page, 10)
        report("points_frames_beside_images", ours, "1/s", ">= 40")
        page.context.close()
        report("points_frames_against_plain_streamlit", ours / plain_rate(chromium), "ratio", ">= 1.5")
    page = open_scene(chromium, address, "images")
    stage_of(page)
    time.sleep(5)
    drawn, _ = rates(page, 15)
    report("images_frames", drawn, "1/s", ">= 5")
    page.context.close()


def plain_rate(chromium: Browser) -> float:
    """Pictures a second of `while True` + `st.image`, counted as the stage counts its own: one a screen refresh."""
    with server("tests/bench/plain_streamlit.py") as address:
        page = chromium.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(
            """window.pictures = 0; let loaded = false;
               document.addEventListener('load', event => (loaded ||= event.target.naturalWidth === 472), true);
               const count = () => { if (loaded) window.pictures += 1; loaded = false; requestAnimationFrame(count); };
               requestAnimationFrame(count);"""
        )
        page.goto(address)
        wait_for(lambda: page.evaluate("window.pictures") > 5)
        before, start = page.evaluate("window.pictures"), time.perf_counter()
        time.sleep(10)
        rate = (page.evaluate("window.pictures") - before) / (time.perf_counter() - start)
        page.close()
    return rate


def actions(chromium: Browser, address: str) -> None:
    """From a knob's move to the frame that shows it."""
    with training(chromium, address, "images"):
        tab = Tab(chromium, f"{address}/gans?lang=en&scene=points")
        report("points_action_to_frame_p95", p95(latencies(tab, "lr_generator", 60)), "ms", "<= 50")
        tab.close()
    step = 1000 / headless_rate("gans/images", 8)
    tab = Tab(chromium, f"{address}/gans?lang=en&scene=images")
    found = latencies(tab, "lr_generator", 40)
    report("images_action_to_frame_p95_over_a_step", p95(found) - step, "ms", "<= 50")
    tab.close()


def training_speed(chromium: Browser, address: str) -> None:
    """Steps a second while watched over steps a second headless, in turns, the median of three pairs."""
    for experiment, scene in (("gans/points", "points"), ("gans/images", "images")):
        tab = Tab(chromium, f"{address}/gans?lang=en&scene={scene}")
        for speed, goal in (("max", ">= 0.75"), ("fast", ">= 0.93")):
            with tab.stage() as stage:
                control(stage, "speed").select_option(speed)
            ratios = []
            for _ in range(3):
                with tab.stage() as stage:
                    control(stage, "pause").click()
                alone = headless_rate(experiment, 6)
                with tab.stage() as stage:
                    control(stage, "play").click()
                time.sleep(1)
                ratios.append(tab.steps_per_second(8) / alone)
            name = "watched" if speed == "max" else "train_fast"
            report(f"{scene}_{name}_over_headless", statistics.median(ratios), "ratio", goal)
        tab.close()


def first_frames(context: BrowserContext, address: str, query: str, times: int) -> list[float]:
    """Seconds from a page's opening to its first frame, of pages with one seed each."""
    found = []
    for i in range(times):
        page = context.new_page()
        page.set_default_timeout(1000 * drive.PATIENCE)
        page.goto(f"{address}/{query}&seed={i}")
        wait_for(lambda page=page: page.evaluate("window.firstFrame || 0") > 0)
        found.append(page.evaluate("window.firstFrame") / 1000)
        page.close()
    return found


def visitor(chromium: Browser) -> BrowserContext:
    """A browser whose pages say when they drew their first frame: `window.firstFrame`, ms."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.add_init_script(
        """(() => { const seek = root => { for (const e of root.querySelectorAll('*')) {
             if (e.dataset?.testid === 'stage') return e;
             const inner = e.shadowRoot && seek(e.shadowRoot); if (inner) return inner; } };
           const look = () => { const stage = document.body && seek(document.body);
             if (stage && +stage.dataset.frames > 0) window.firstFrame = performance.now();
             else requestAnimationFrame(look); };
           requestAnimationFrame(look); })();"""
    )
    return context


def opening(chromium: Browser, address: str) -> None:
    """Page open → first frame, with a browser that has been here; and from page to page."""
    context = visitor(chromium)
    times = first_frames(context, address, "gans?lang=en&scene=points", 6)
    report("open_to_first_frame_warm", statistics.median(times[1:]), "s", "<= 1")
    times = first_frames(context, address, "transformers?lang=en&scene=attention", 4)
    report("open_to_attention_warm", statistics.median(times[1:]), "s", "<= 1")
    page = context.new_page()
    page.goto(f"{address}/gans?lang=en&scene=points")
    stage_of(page)
    switches = []
    for i in range(20):
        name, title = ("The course", "Vivarium") if i % 2 == 0 else ("GAN", "GAN")
        link = page.get_by_test_id("stTopNavLink").filter(has_text=name).first
        switches.append(switch(page, link, title))
    report("page_switch_p95", 1000 * p95(switches), "ms", "<= 300")
    context.close()


def switch(page: Page, link, title: str) -> float:
    """Seconds from a click in the navigation to the other page's title on the screen."""
    handle = link.element_handle()
    return page.evaluate(
        """([link, title]) => new Promise(done => { const start = performance.now(); link.click();
             const look = () => { const head = document.querySelector('h1');
               if (head && head.textContent.includes(title)) done((performance.now() - start) / 1000);
               else requestAnimationFrame(look); };
             requestAnimationFrame(look); })""",
        [handle, title],
    )


def writing(chromium: Browser, address: str) -> None:
    """SmolLM2 on the stage: how soon a knob of the sampling shows, and its tokens a second against a bare loop's."""
    tab = Tab(chromium, f"{address}/transformers?lang=en&scene=generate")
    with tab.stage() as stage:
        control(stage, "pause").click()
        wait_for(lambda: stage.get_attribute("data-state") == "paused")
    report("sampling_knob_to_bars_p95", p95(latencies(tab, "temperature", 40)), "ms", "<= 50")
    ratios = []
    for _ in range(3):
        alone = yardstick("writing", 5)
        with tab.stage() as stage:
            control(stage, "reset").click()
            control(stage, "play").click()
        time.sleep(0.5)
        ratios.append(tab.steps_per_second(4) / alone)  # longer, and it would have said all that it wants to say
        with tab.stage() as stage:
            control(stage, "pause").click()
    report("writing_watched_over_bare_loop", statistics.median(ratios), "ratio", ">= 0.8")
    tab.close()


def robots(chromium: Browser, address: str) -> None:
    """Frames a second of the cheetah, in its own time, with every view of its scene."""
    page = open_scene(chromium, address, "robot", topic="reinforcement-learning")
    stage_of(page)
    time.sleep(4)
    drawn, _ = rates(page, 10)
    report("robot_frames", drawn, "1/s", ">= 55")
    page.context.close()


def reading(chromium: Browser, address: str) -> None:
    """SmolLM2 has read 1,000 tokens: from a press on a head to the picture of its 1,000 × 1,000 weights."""
    text = "%20".join(["word"] * 1000)
    page = open_scene(chromium, address, "attention", f"&sentence=a&b.sentence={text}", topic="transformers")
    stage = stage_of(page, 1)
    wait_for(lambda: stage.get_attribute("data-state") == "done", 600.0)
    box = stage.locator('[data-view="heads"] canvas').bounding_box()
    assert box is not None
    times = []
    for i in range(10):
        stage.evaluate("e => e.dataset.latencyMs = ''")
        page.mouse.click(box["x"] + box["width"] * (0.2 + 0.06 * i), box["y"] + box["height"] * 0.5)
        wait_for(lambda: stage.get_attribute("data-latency-ms"))
        times.append(float(stage.get_attribute("data-latency-ms") or "nan") / 1000)
    report("thousand_tokens_head_to_picture", max(times), "s", "<= 2")
    page.context.close()


def yardstick(name: str, seconds: float) -> float:
    """Times a second of tests/bench/yardsticks.py."""
    command = [sys.executable, "-m", "tests.bench.yardsticks", name, str(seconds)]
    return float(subprocess.run(command, cwd=drive.ROOT, capture_output=True, text=True, check=True).stdout)


def seconds_to_beat_counting(seed: int) -> float:
    """How long the default tiny GPT learns until it predicts held-out text better than counting pairs does."""
    command = [sys.executable, "-m", "shared.live", "run", "transformer/tiny_gpt", "--seed", str(seed)]
    command += ["--steps", "1000000000", "--every", "50", "--jsonl"]
    at_once = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=drive.ROOT, env=at_once, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        start = 0.0
        for line in process.stdout:
            start = start or time.perf_counter()  # the frame of step 0
            metrics = json.loads(line)["metrics"]
            if metrics["loss_validation"] < metrics["bigram_loss"]:
                break
        taken = time.perf_counter() - start
        process.kill()
    return taken


def learning() -> None:
    """The tiny GPT against GPT-2's class in a bare loop, in turns; what 90 s do to the image GAN's distance."""
    ratios = [headless_rate("transformer/tiny_gpt", 8) / yardstick("training", 8) for _ in range(3)]
    report("tiny_gpt_over_gpt2_bare_loop", statistics.median(ratios), "ratio", ">= 0.9")
    report("tiny_gpt_beats_counting_worst_of_5", max(map(seconds_to_beat_counting, range(5))), "s", "<= 60")
    command = [sys.executable, "-m", "shared.live", "run", "gans/images", "--steps", "1000000000"]
    command += ["--every", "1000000000", "--seconds", "90", "--jsonl"]
    lines = subprocess.run(command, cwd=drive.ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    before, after = (json.loads(line)["metrics"]["feature_distance"] for line in (lines[0], lines[-1]))
    report("images_distance_after_90_s_over_before", after / before, "ratio", "<= 0.5")


def starting(chromium: Browser) -> None:
    """`make run` in a bare clone, and again: until a browser shows the first page."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "vivarium"
        subprocess.run(["git", "clone", "-q", drive.ROOT, clone], check=True)
        for name, goal in (("make_run_from_a_bare_clone", "<= 120"), ("make_run_again", "<= 6")):
            port, start = drive.free_port(), time.perf_counter()
            command = ["make", "run", f"ARGS=--server.port {port}"]
            process = subprocess.Popen(command, cwd=clone, stdout=subprocess.DEVNULL, start_new_session=True)
            try:
                wait_for(lambda port=port: drive.answers(f"http://localhost:{port}/_stcore/health"), 1800.0)
                page = chromium.new_page()
                page.set_default_timeout(1000 * drive.PATIENCE)
                page.goto(f"http://localhost:{port}")
                page.locator("h1").wait_for()
                report(name, time.perf_counter() - start, "s", goal)
                page.close()
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()


def worker_killed(chromium: Browser, address: str) -> None:
    """From a worker's end to the words on the stage."""
    page = open_scene(chromium, address, "points")
    stage = stage_of(page)
    wait_for(lambda: read(stage)[2] > 20)
    time.sleep(3.5)  # a checkpoint is made every three seconds
    start = time.perf_counter()
    for process in family_of(address)[1:]:
        process.kill()
    wait_for(lambda: "process that computed" in stage.inner_text())
    report("killed_worker_to_words", time.perf_counter() - start, "s", "<= 2")
    page.context.close()


def crowd(chromium: Browser) -> None:
    """Twenty runs on one worker: each one's share, and whether a page still answers."""
    with server(VIVARIUM_WORKERS="1") as address:
        watchers = [Watcher(chromium, address, f"scene=points&seed={i}") for i in range(19)]
        page = open_scene(chromium, address, "points", "&seed=19")
        stage = stage_of(page)
        wait_for(lambda: stage.get_attribute("data-state") == "playing")
        before, own = [watcher.step for watcher in watchers], read(stage)[2]
        time.sleep(20)
        taken = [watcher.step - start for watcher, start in zip(watchers, before, strict=True)]
        taken.append(read(stage)[2] - own)
        mean = statistics.mean(taken)
        report("share_of_the_least_of_20", min(taken) / mean, "ratio", ">= 0.8")
        report("share_of_the_most_of_20", max(taken) / mean, "ratio", "<= 1.2")
        waits = []
        for name in ("pause", "play") * 5:
            start = time.perf_counter()
            control(stage, name).click()
            wanted = {"pause": "paused", "play": "playing"}[name]
            wait_for(lambda wanted=wanted: stage.get_attribute("data-state") == wanted)
            waits.append(time.perf_counter() - start)
        report("answer_among_20_p95", 1000 * p95(waits), "ms", "<= 500")
        for watcher in watchers:
            watcher.close()
        page.context.close()


def memory(chromium: Browser, minutes: float) -> None:
    """Memory of the server and its workers over minutes of watching the image GAN and the 2-D GAN."""
    with server() as address:
        pages = [open_scene(chromium, address, scene) for scene in ("points", "images")]
        for page in pages:
            stage_of(page)
        samples: list[tuple[float, float]] = []
        start = time.monotonic()
        while time.monotonic() - start < 60 * minutes:
            time.sleep(5)
            held = sum(process.memory_info().rss for process in family_of(address)) / 2**20
            samples.append((time.monotonic() - start, held))
        early = statistics.mean(held for at, held in samples if at > 30 and at < 30 + 60 * minutes * 0.15)
        late = statistics.mean(held for at, held in samples if at > 60 * minutes * 0.85)
        report("memory_late_over_early", late / early, "ratio", "<= 1.05")
        for page in pages:
            page.context.close()


# Prints the seconds that the weights take, and those with the libraries' import.
OPEN_MODEL = """
import time
start = time.perf_counter()
import safetensors, tokenizers, torch
from shared.models.cache import the_cache
imported = time.perf_counter()
the_cache().open("smollm2-135m-instruct").tensors
print(time.perf_counter() - imported, time.perf_counter() - start)
"""


def models() -> None:
    """Opening a pretrained model in a new process, once it is on disk."""
    if subprocess.run(
        [sys.executable, "-m", "shared.models", "warm", "smollm2-135m-instruct"], cwd=drive.ROOT
    ).returncode:
        return
    command = [sys.executable, "-c", OPEN_MODEL]
    runs = [subprocess.run(command, cwd=drive.ROOT, capture_output=True, text=True, check=True) for _ in range(3)]
    weights, whole = (
        statistics.median(times) for times in zip(*(map(float, r.stdout.split()) for r in runs), strict=True)
    )
    report("model_opening_weights", weights, "s", "<= 0.5")
    report("model_opening_with_imports", whole, "s", "<= 3")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", default="", help="those whose name holds this word")
    parser.add_argument("--minutes", type=float, default=10.0, help="of watching, for the memory")
    options = parser.parse_args()
    on_a_server: list[Callable[[Browser, str], None]] = [
        frames,
        actions,
        training_speed,
        opening,
        writing,
        robots,
        reading,
        worker_killed,
    ]
    with browser() as chromium:
        wanted = [measure for measure in on_a_server if options.only in measure.__name__]
        if wanted:
            with server() as address:
                for measure in wanted:
                    measure(chromium, address)
        if options.only in "starting":
            starting(chromium)
        if options.only in "crowd":
            crowd(chromium)
        if options.only in "memory":
            memory(chromium, options.minutes)
    if options.only in "learning":
        learning()
    if options.only in "models":
        models()
    return conclude()


if __name__ == "__main__":
    sys.exit(main())
