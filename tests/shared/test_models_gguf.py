"""A GGUF becomes the files Hugging Face would keep: same numbers, rows in its order, the same tokens."""

import json

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer, pre_tokenizers

from shared.models.catalog import header
from shared.models.gguf_llama import convert, hugging_face_name, unpermute

HIDDEN, HEADS, KEY_HEADS, FEED_FORWARD = 64, 4, 2, 96
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ hello"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
SHAPES = {
    "token_embd": (270, HIDDEN),
    "output_norm": (HIDDEN,),
    "blk.0.attn_norm": (HIDDEN,),
    "blk.0.attn_q": (HIDDEN, HIDDEN),
    "blk.0.attn_k": (HIDDEN // HEADS * KEY_HEADS, HIDDEN),
    "blk.0.attn_v": (HIDDEN // HEADS * KEY_HEADS, HIDDEN),
    "blk.0.attn_output": (HIDDEN, HIDDEN),
    "blk.0.ffn_norm": (HIDDEN,),
    "blk.0.ffn_gate": (FEED_FORWARD, HIDDEN),
    "blk.0.ffn_up": (FEED_FORWARD, HIDDEN),
    "blk.0.ffn_down": (HIDDEN, FEED_FORWARD),
}


def permute(weight: np.ndarray, heads: int) -> np.ndarray:
    """What llama.cpp's convert_hf_to_gguf.py does to query and key matrices."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def tokens() -> list[str]:
    merged = [merge.replace(" ", "") for merge in MERGES]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    return [*SPECIAL, *letters, *merged, *(f"<unused{n}>" for n in range(270 - 256 - len(merged) - len(SPECIAL)))]


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    """By llama.cpp's names, before its permutation."""
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape, np.float32) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def converted(tmp_path_factory, weights):
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(folder / "tiny.gguf", weights)
    told: list[float] = []
    convert(folder / "tiny.gguf", folder, told.append)
    assert told == sorted(told) and 0 <= told[0] <= told[-1] <= 1
    return folder


def write_gguf(path, weights, architecture="llama") -> None:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens())
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens()])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    kinds = {"blk.0.attn_v": gguf.GGMLQuantizationType.Q4_1, "token_embd": gguf.GGMLQuantizationType.Q8_0}
    heads = {"blk.0.attn_q": HEADS, "blk.0.attn_k": KEY_HEADS}
    for name, weight in weights.items():
        weight = permute(weight, heads[name]) if name in heads else weight
        if kind := kinds.get(name):
            writer.add_tensor(f"{name}.weight", gguf.quantize(weight, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"{name}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_every_weight_arrives_under_its_name(converted, weights):
    found = load_file(converted / "model.safetensors")
    assert set(found) == {hugging_face_name(f"{name}.weight") for name in weights}
    for name, weight in weights.items():
        coarse = {"blk.0.attn_v": 0.5, "token_embd": 0.05}.get(name, 0.0)  # what the quantised two may be off by
        np.testing.assert_allclose(found[hugging_face_name(f"{name}.weight")], weight, atol=coarse)


def test_names_are_those_of_hugging_face():
    assert hugging_face_name("token_embd.weight") == "model.embed_tokens.weight"
    assert hugging_face_name("blk.12.ffn_down.weight") == "model.layers.12.mlp.down_proj.weight"
    with pytest.raises(KeyError):
        hugging_face_name("blk.0.ssm_a.weight")


def test_rows_come_back_in_order():
    """Two heads of four rows: llama.cpp has row 0 beside row 2, its partner in RoPE."""
    assert permute(np.arange(8)[:, None], 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    weight = np.arange(24 * 3).reshape(24, 3)
    assert (unpermute(permute(weight, 2), 2) == weight).all()


def test_weights_begin_where_a_processor_likes_them(converted):
    with (converted / "model.safetensors").open("rb") as file:
        assert int.from_bytes(file.read(8), "little") % 8 == 0
    assert header(converted / "model.safetensors")["model.norm.weight"]["dtype"] == "F32"


def test_the_configuration_is_the_models(converted):
    config = json.loads((converted / "config.json").read_text())
    assert config["num_attention_heads"] == HEADS and config["num_key_value_heads"] == KEY_HEADS
    assert config["hidden_size"] == HIDDEN and config["intermediate_size"] == FEED_FORWARD
    assert config["rms_norm_eps"] == 1e-5 and config["rope_theta"] == 10000.0
    assert config["tie_word_embeddings"] is True and config["vocab_size"] == 270
    assert json.loads((converted / "tokenizer_config.json").read_text())["chat_template"] == TEMPLATE


TEXTS = ["hello hello", " two  spaces\n\tand\r\nlines", "in 2026", "😀👩‍🔬", "مرحبا بالعالم", "¿Qué?", "\x00\x07", ""]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives_its_tokens(converted, text):
    tokenizer = Tokenizer.from_file(str(converted / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_words_are_merged_and_digits_are_not(converted):
    tokenizer = Tokenizer.from_file(str(converted / "tokenizer.json"))
    assert tokenizer.encode("hello hello").tokens == ["hello", "Ġhello"]
    assert tokenizer.encode("2026").tokens == list("2026")


def test_special_tokens_are_obeyed_or_shown(converted):
    tokenizer = Tokenizer.from_file(str(converted / "tokenizer.json"))
    text = "<|im_start|>hello<|im_end|>"
    assert tokenizer.encode(text).tokens == ["<|im_start|>", "hello", "<|im_end|>"]
    tokenizer.encode_special_tokens = True
    shown = tokenizer.encode(text)
    assert not set(shown.tokens) & set(SPECIAL)
    assert tokenizer.decode(shown.ids, skip_special_tokens=False) == text


def test_another_architecture_is_refused(tmp_path, weights):
    write_gguf(tmp_path / "other.gguf", {"output_norm": weights["output_norm"]}, "mamba")
    with pytest.raises(ValueError, match=r"other\.gguf is not a Llama"):
        convert(tmp_path / "other.gguf", tmp_path, lambda share: None)
