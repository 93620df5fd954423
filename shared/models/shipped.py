"""Open the small weight files that the app ships, memory-mapped, so that all processes share one copy."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from shared.live.messages import Plain
from shared.models.catalog import WEIGHTS


def shipped_weights(name: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of `assets/weights/<name>.safetensors`, as `mapped` gives them.

    Raises FileNotFoundError naming the file where it is not shipped, Plain("weights_damaged") where it cannot be read.
    """
    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"no shipped weights {path.name}; assets/build/ has the script that makes them")
    try:
        return mapped(path)
    except SafetensorError:
        raise Plain("weights_damaged", name=name) from None


def mapped(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    The tensors are views of the mapped file: whoever trains them takes a copy (`load_state_dict` does; with
    `assign=True` it does not).
    """
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
