"""Which experiments there are: every class with an `id` in the files of `apps/*/`, found without importing them."""

import ast
import importlib
import os
from functools import cache
from pathlib import Path

from shared.live.experiment import Experiment
from shared.live.messages import Plain

ROOT = Path(__file__).resolve().parents[2]
# More modules to look in, comma-separated: how the tests bring experiments of their own.
EXTRA = "VIVARIUM_EXPERIMENTS"


@cache
def catalogue() -> dict[str, str]:
    """Experiment id → the module that defines it."""
    files = sorted((ROOT / "apps").glob("*/*.py"))
    modules = {path: f"apps.{path.parent.name}.{path.stem}" for path in files}
    for name in filter(None, os.environ.get(EXTRA, "").split(",")):
        modules[ROOT / (name.replace(".", "/") + ".py")] = name
    return {found: module for path, module in modules.items() for found in _ids(path)}


def _ids(path: Path) -> list[str]:
    """The `id = "topic/name"` of each class in a source file."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for line in node.body if isinstance(node, ast.ClassDef) else ():
            target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
            value = getattr(line, "value", None)
            if getattr(target, "id", "") == "id" and isinstance(value, ast.Constant) and "/" in str(value.value):
                found.append(str(value.value))
    return found


def find(experiment_id: str) -> type[Experiment]:
    """The class with this id. Raises Plain, naming those there are, for any other text."""
    module = catalogue().get(experiment_id)
    if module is None:
        raise Plain("experiment_unknown", id=experiment_id[:40], allowed=", ".join(catalogue()))
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, type) and issubclass(value, Experiment) and value.id == experiment_id:
            return value
    raise TypeError(f"{module} says id = {experiment_id!r} in a class that is no Experiment")
