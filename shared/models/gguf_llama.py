"""Turn a Llama in llama.cpp's one-file format, GGUF, into the files that Hugging Face keeps for such a model."""

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

# llama.cpp's name of a weight → Hugging Face's; those in blk.<n>. are in model.layers.<n>.
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3  # the GGUF token type of <|im_start|> and its like


def convert(path: Path, folder: Path, progress: Callable[[float], None]) -> None:
    """Write model.safetensors (float32), config.json, tokenizer.json and tokenizer_config.json into `folder`.

    `progress` is told the share done, 0 … 1. Raises ValueError where the file is no Llama with a GPT-2 tokenizer.
    """
    from gguf import GGUFReader, dequantize

    reader = GGUFReader(path)
    about = {name: field.contents() for name, field in reader.fields.items()}
    if about["general.architecture"] != "llama" or about["tokenizer.ggml.model"] != "gpt2":
        raise ValueError(f"{path.name} is not a Llama with a GPT-2 tokenizer")
    heads = {"attn_q": about["llama.attention.head_count"], "attn_k": about["llama.attention.head_count_kv"]}
    shapes = {hugging_face_name(tensor.name): tensor.shape[::-1].tolist() for tensor in reader.tensors}
    with (folder / "model.safetensors").open("wb") as file:
        file.write(safetensors_header(shapes))
        for number, tensor in enumerate(reader.tensors):
            weight = dequantize(tensor.data, tensor.tensor_type)
            if (kind := tensor.name.split(".")[-2]) in heads:
                weight = unpermute(weight, heads[kind])
            file.write(np.ascontiguousarray(weight, "<f4").data)
            progress(number / len(reader.tensors))
    tied = "lm_head.weight" not in shapes
    (folder / "config.json").write_text(json.dumps(config(about, tied), indent=2), encoding="utf-8")
    _write_tokenizer(about, folder)


def safetensors_header(shapes: dict[str, list[int]]) -> bytes:
    """How a safetensors file of float32 tensors begins: the length of a JSON, and the JSON; then their bytes follow.

    Written here so that one tensor at a time is in memory, and a full disk is an OSError like any other.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def hugging_face_name(name: str) -> str:
    """`blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`. Raises KeyError for a weight no Llama has."""
    *block, kind, weight = name.split(".")
    return ".".join((*(("model.layers", block[1]) if block else ()), NAMES[kind], weight))


def unpermute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Put the rows of a query or key matrix (heads · d, width) back in Hugging Face's order.

    RoPE turns pairs of rows. llama.cpp keeps the two of a pair side by side (0, 1), (2, 3), …; Hugging Face keeps
    them half a head apart (0, d/2), (1, d/2 + 1), …
    """
    rows, width = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def config(about: dict[str, Any], tied: bool) -> dict[str, Any]:
    """Hugging Face's config.json from a GGUF's metadata; `tied`: the embedding is the output matrix too."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": about["llama.embedding_length"],
        "intermediate_size": about["llama.feed_forward_length"],
        "num_hidden_layers": about["llama.block_count"],
        "num_attention_heads": about["llama.attention.head_count"],
        "num_key_value_heads": about["llama.attention.head_count_kv"],
        "max_position_embeddings": about["llama.context_length"],
        "rope_theta": about["llama.rope.freq_base"],
        # Kept as float32 in the file: 1e-5 comes back as 9.999999747378752e-06.
        "rms_norm_eps": float(f"{about['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "vocab_size": len(about["tokenizer.ggml.tokens"]),
        "hidden_act": "silu",
        "tie_word_embeddings": tied,
        "torch_dtype": "float32",
        "bos_token_id": about["tokenizer.ggml.bos_token_id"],
        "eos_token_id": about["tokenizer.ggml.eos_token_id"],
    }


def _write_tokenizer(about: dict[str, Any], folder: Path) -> None:
    """Byte-level BPE with its special tokens, and the chat template beside it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    split: pre_tokenizers.PreTokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if about["tokenizer.ggml.pre"] == "smollm":  # each digit is a token of its own
        split = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), split])
    elif about["tokenizer.ggml.pre"] != "gpt-2":
        raise ValueError(f"no way to split words as {about['tokenizer.ggml.pre']} does")
    tokens = about["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in about["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = split, decoders.ByteLevel()
    kinds = zip(tokens, about["tokenizer.ggml.token_type"], strict=True)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token, kind in kinds if kind == CONTROL])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {f"{name}_token": tokens[about[f"tokenizer.ggml.{name}_token_id"]] for name in ("bos", "eos")}
    template = {"chat_template": about.get("tokenizer.chat_template")}
    (folder / "tokenizer_config.json").write_text(json.dumps(special | template, indent=2), encoding="utf-8")
