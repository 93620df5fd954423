"""The one place that keeps pretrained models: made once on disk, verified, memory-mapped by every process that asks.

A model is a folder, `<cache>/<id>/`, of the files Hugging Face would keep for it and a manifest.json that says where
they came from and what their SHA-256 are. It is built beside its place and moved there whole, under a lock that
threads and processes share, so that however many ask at once it is made once.
"""

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from shared.live.messages import Plain
from shared.models.catalog import Model, catalog
from shared.models.sources import Progress, fetch, on_this_computer, sha256

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

MANIFEST = "manifest.json"
PART, DAMAGED = ".part", ".damaged"  # being built, or being removed; set aside
GIGABYTE = 1_000_000_000

log = logging.getLogger(__name__)


class OpenModel:
    """A model in use: as long as this object lives, nobody evicts its files.

    All of it is shared with everybody who opened the model: whoever trains it, or changes a tokenizer, takes a copy.
    """

    def __init__(self, weights: Path, use: FileLock | None = None) -> None:
        self.weights = weights
        self._use = use  # given back when this object goes

    @cached_property
    def tensors(self) -> dict[str, "Tensor"]:
        """The weights by Hugging Face's names: views of the mapped file, without gradients."""
        from shared.models.shipped import mapped

        return mapped(self.weights)[0]

    @cached_property
    def config(self) -> dict[str, Any]:
        """Hugging Face's config.json."""
        return self._read("config.json")

    @cached_property
    def chat_template(self) -> str | None:
        """The Jinja template that turns a conversation into text; None for a model that does not chat."""
        return self._read("tokenizer_config.json").get("chat_template")

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """Cuts text into tokens and obeys special tokens written in it: for what a chat template wrote."""
        return self._tokenizer(obeys=True)

    @cached_property
    def text_tokenizer(self) -> "Tokenizer":
        """The same for what a person typed: a special token in it is text like any other."""
        return self._tokenizer(obeys=False)

    def _tokenizer(self, obeys: bool) -> "Tokenizer":
        path = self.weights.with_name("tokenizer.json")
        return _read_tokenizer(path, path.stat().st_mtime_ns, obeys)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.weights.with_name(name)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


@lru_cache(8)
def _read_tokenizer(path: Path, changed_ns: int, obeys: bool) -> "Tokenizer":
    """Kept after its model is closed: reading it takes ten times as long as opening the weights does."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = not obeys
    return tokenizer


# What this process has open, by its folder, so that asking again costs nothing.
_opened: WeakValueDictionary[Path, OpenModel] = WeakValueDictionary()


@dataclass(frozen=True)
class State:
    """How a model stands: bytes on disk (0: not made), its source, last use (Unix time), how many have it open.

    `source` is where it came from or, not made yet, where it can come from at once; "" where it must be downloaded.
    """

    bytes: int
    source: str
    last_used: float | None
    users: int


class Cache:
    """The models kept in `folder`, `budget` bytes at most."""

    def __init__(self, folder: Path, models: Mapping[str, Model], budget: int) -> None:
        self.folder, self.models, self.budget = folder, models, budget

    def open(self, model_id: str, progress: Progress = lambda share: None) -> OpenModel:
        """The model, made first if need be: `progress` is then told the share done. Raises Plain: each says what to do.

        Damage that shows in a file's size or time is found and mended here, any other by `verify`.
        """
        model = self._find(model_id)
        if model.shipped:
            return OpenModel(model.shipped)
        with self._locked(model) as folder:
            if (opened := _opened.get(folder)) is None:
                self._ensure(model, progress)
                use = FileLock(self._uses(model.id) / uuid4().hex, thread_local=False)
                use.acquire()
                opened = _opened[folder] = OpenModel(folder / "model.safetensors", use)
            os.utime(folder / MANIFEST)  # when it was last used
            return opened

    def warm(self, model_id: str, progress: Progress = lambda share: None) -> None:
        """Have the model on disk and every one of its files checked against its SHA-256."""
        model = self._find(model_id)
        if not model.shipped:
            with self._locked(model):
                self._ensure(model, progress, thorough=True)

    def verify(self, model_id: str) -> bool | None:
        """Whether every byte is what it was; None where it is not on disk. What is not is set aside and made again."""
        model = self._find(model_id)
        if model.shipped:
            return sha256(model.shipped) == model.sha256[model.shipped.name]
        with self._locked(model) as folder:
            return self._ensure(model, lambda share: None, thorough=True) if folder.exists() else None

    def free(self, model_id: str) -> None:
        """Take the model off the disk. Raises Plain "model_in_use" while somebody has it open."""
        model = self._find(model_id)
        if not model.shipped:
            with self._locked(model) as folder:
                if users := self._users(model.id):
                    raise Plain("model_in_use", id=model.id, count=users)
                _remove(folder)

    def state(self, model_id: str) -> State:
        """How the model stands now; waits for nobody."""
        model = self._find(model_id)
        if model.shipped:
            return State(model.shipped.stat().st_size, "shipped", None, 0)
        folder = self.folder / model.id
        if (manifest := _manifest(folder)) is None:
            found = next((str(source) for source in model.sources if on_this_computer(source)), "")
            return State(0, found, None, 0)
        return State(_size(folder), manifest["source"], _last_used(folder), self._users(model.id))

    def within_reach(self) -> list[str]:
        """The models that this computer has, or can make, without a download."""
        return [model_id for model_id in self.models if self.state(model_id).source]

    def _find(self, model_id: str) -> Model:
        if model_id not in self.models:
            raise Plain("model_unknown", id=model_id, allowed=", ".join(self.models))
        return self.models[model_id]

    def _uses(self, model_id: str) -> Path:
        """A folder of lock files, one for each process that has the model open; a free lock is a dead process's."""
        return self.folder / f".{model_id}.uses"

    @contextmanager
    def _locked(self, model: Model) -> Iterator[Path]:
        """The model's folder, for one thread of one process at a time; what the system refuses is said plainly."""
        try:
            self._uses(model.id).mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / f".{model.id}.lock"):
                yield self.folder / model.id
        except OSError as problem:
            if problem.errno in (ENOSPC, EDQUOT):
                raise self._full(model) from problem
            raise Plain("model_folder", folder=self.folder, reason=problem.strerror or problem) from problem

    def _full(self, model: Model) -> Plain:
        return Plain("model_disk", id=model.id, size=_gigabytes(model.size), folder=self.folder)

    def _users(self, model_id: str) -> int:
        """In how many processes the model is open. The system frees a dead process's locks, whatever killed it."""
        users = 0
        for path in self._uses(model_id).glob("*"):
            try:
                with FileLock(path, timeout=0):
                    pass
                path.unlink(missing_ok=True)
            except Timeout:
                users += 1
        return users

    def _ensure(self, model: Model, progress: Progress, thorough: bool = False) -> bool:
        """Have a sound folder of the model, whose lock is held; whether it was there already."""
        folder = self.folder / model.id
        if folder.exists():
            if _sound(folder, thorough):
                return True
            log.warning("%s is damaged: set aside, made again", folder)
            _remove(_beside(folder, DAMAGED))
            folder.rename(_beside(folder, DAMAGED))
        self._make_room(model)
        part = _beside(folder, PART)
        part.mkdir(exist_ok=True)
        try:
            source = fetch(model, part, progress)
            _seal(part, str(source))
            part.rename(folder)
        except Exception as problem:
            # What a lost connection left is gone on from the next time; anything else would be in the way.
            if not (isinstance(problem, Plain) and problem.code == "model_offline"):
                shutil.rmtree(part, ignore_errors=True)
            raise
        log.info("made %s from %s", folder, source)
        return False

    def _make_room(self, model: Model) -> None:
        """Evict what was used longest ago until the model fits. Raises Plain where what is in use leaves no room."""
        for damaged in self.folder.glob(f"*{DAMAGED}"):
            if self._used() + model.size > self.budget:
                _remove(damaged)
        for folder in sorted((path.parent for path in self.folder.glob(f"*/{MANIFEST}")), key=_last_used):
            if self._used() + model.size > self.budget:
                self._evict(folder)
        if self._used() + model.size > self.budget:
            raise Plain("model_budget", id=model.id, size=_gigabytes(model.size), budget=_gigabytes(self.budget))
        if shutil.disk_usage(self.folder).free < model.size:
            raise self._full(model)

    def _used(self) -> int:
        """Bytes of all models in the cache, whatever catalog they are of."""
        return sum(_size(path.parent) for path in self.folder.glob(f"*/{MANIFEST}"))

    def _evict(self, folder: Path) -> None:
        """Remove a model, unless somebody has it open or is just about to."""
        try:
            with FileLock(self.folder / f".{folder.name}.lock", timeout=0):
                if not self._users(folder.name):
                    log.info("evicting %s", folder)
                    _remove(folder)
        except Timeout:
            pass


def _gigabytes(size: int) -> str:
    return f"{size / GIGABYTE:.2f}"


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(folder.name + suffix)


# Another process may take a folder away at any moment: then it has no manifest, no size, and was used in 1970.


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and {"source", "files"} <= manifest.keys() else None


def _size(folder: Path) -> int:
    return sum(file["size"] for file in (_manifest(folder) or {"files": {}})["files"].values())


def _last_used(folder: Path) -> float:
    try:
        return (folder / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: Path) -> None:
    """Delete a folder so that it is never seen half deleted."""
    if folder.exists():
        part = _beside(folder, PART)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(folder.rename(part))


def _sound(folder: Path, thorough: bool) -> bool:
    """Whether every file is what the manifest says: by size and time where those are unchanged, else by SHA-256."""
    if (manifest := _manifest(folder)) is None:
        return False
    for name, noted in manifest["files"].items():
        path = folder / name
        if not path.exists() or path.stat().st_size != noted["size"]:
            return False
        touched = path.stat().st_mtime_ns != noted["mtime_ns"]
        if (thorough or touched) and sha256(path) != noted["sha256"]:
            return False
        if touched:  # the same bytes: they need not be read again the next time
            os.utime(path, ns=(noted["mtime_ns"], noted["mtime_ns"]))
    return True


def _seal(folder: Path, source: str) -> None:
    """Note every file's size, time and SHA-256 in the manifest, and have the disk hold all of it."""
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the downloader's own notes
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        status = path.stat()
        files[path.name] = {"sha256": sha256(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    manifest = {"source": source, "made": time.time(), "files": files}
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2)
        file.flush()
        os.fsync(file.fileno())


def user_cache() -> Path:
    """Where this system keeps what programs can make again, or VIVARIUM_CACHE."""
    if chosen := os.environ.get("VIVARIUM_CACHE"):
        return Path(chosen).absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "Vivarium" / "models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "vivarium" / "models"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vivarium" / "models"


@cache
def the_cache() -> Cache:
    """This computer's cache of the catalog's models; VIVARIUM_CACHE_GB is its budget in gigabytes, 20 by default."""
    budget = int(float(os.environ.get("VIVARIUM_CACHE_GB", "20")) * GIGABYTE)
    return Cache(user_cache(), catalog(), budget)
