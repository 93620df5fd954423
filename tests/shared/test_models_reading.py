"""The two models read out loud do, number for number, what transformers does with the same weights."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from safetensors.torch import save_file

from shared.models.cache import OpenModel
from shared.models.decoder import Decoder
from shared.models.encoder import Encoder
from tests.shared.test_models_pretrained import llama

LLAMA = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 40, "rope_theta": 100.0, "rms_norm_eps": 1e-5,
    "vocab_size": 29, "tie_word_embeddings": True,
}  # fmt: skip
BERT = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3,
    "max_position_embeddings": 20, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "vocab_size": 31,
}  # fmt: skip


def shapes_of_llama(config: dict) -> dict[str, tuple[int, ...]]:
    width, wide = config["hidden_size"], config["intermediate_size"]
    narrow = width * config["num_key_value_heads"] // config["num_attention_heads"]
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], width), "model.norm.weight": (width,)}
    for layer in range(config["num_hidden_layers"]):
        rows = {
            "self_attn.q_proj": (width, width), "self_attn.k_proj": (narrow, width),
            "self_attn.v_proj": (narrow, width), "self_attn.o_proj": (width, width), "mlp.gate_proj": (wide, width),
            "mlp.up_proj": (wide, width), "mlp.down_proj": (width, wide), "input_layernorm": (width,),
            "post_attention_layernorm": (width,),
        }  # fmt: skip
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in rows.items()}
    return shapes


def shapes_of_bert(config: dict) -> dict[str, tuple[int, ...]]:
    width, wide = config["hidden_size"], config["intermediate_size"]
    tables = {"word": "vocab_size", "position": "max_position_embeddings", "token_type": "type_vocab_size"}
    matrices = {"embeddings.LayerNorm": (width,)}
    for layer in range(config["num_hidden_layers"]):
        rows = {f"attention.self.{each}": (width, width) for each in ("query", "key", "value")}
        rows |= {"attention.output.dense": (width, width), "attention.output.LayerNorm": (width,)}
        rows |= {"intermediate.dense": (wide, width), "output.dense": (width, wide), "output.LayerNorm": (width,)}
        matrices |= {f"encoder.layer.{layer}.{name}": shape for name, shape in rows.items()}
    shapes = {f"embeddings.{name}_embeddings.weight": (config[size], width) for name, size in tables.items()}
    for name, shape in matrices.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def opened(folder: Path, config: dict, shapes: dict[str, tuple[int, ...]]) -> OpenModel:
    """A model of random weights, large enough that attention is far from even."""
    folder.mkdir()
    chance = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(shape, generator=chance) * 0.4 for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return OpenModel(folder / "model.safetensors")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Decoder:
    return Decoder(opened(tmp_path_factory.mktemp("models") / "llama", LLAMA, shapes_of_llama(LLAMA)))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Encoder:
    return Encoder(opened(tmp_path_factory.mktemp("models") / "bert", BERT, shapes_of_bert(BERT)))


TOKENS = torch.tensor([3, 14, 15, 9, 2, 6, 5, 3, 5, 8, 0, 28])


def test_decoder_is_the_numpy_llama(decoder):
    expected = llama(load_file(decoder.opened.weights), LLAMA, TOKENS.tolist())
    np.testing.assert_allclose(decoder(TOKENS).logits, expected, atol=1e-4)


def test_decoder_is_transformers(decoder):
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        **LLAMA | {"rope_parameters": {"rope_type": "default", "rope_theta": LLAMA["rope_theta"]}},
        attn_implementation="eager",
    )
    oracle = transformers.LlamaForCausalLM(config).eval()
    missing, unexpected = oracle.load_state_dict(decoder.weights, strict=False)
    assert missing in ([], ["lm_head.weight"]) and unexpected == []
    with torch.no_grad():
        expected = oracle(TOKENS[None], output_hidden_states=True, output_attentions=True)
    read = decoder(TOKENS, look=True)
    torch.testing.assert_close(read.logits, expected.logits[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read.attention, torch.cat(expected.attentions), atol=1e-5, rtol=1e-5)
    # Its last hidden state has been through the final norm, which here is a part of `predict`.
    hidden = torch.cat(expected.hidden_states)
    torch.testing.assert_close(read.hidden[:-1], hidden[:-1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(decoder.norm("norm", read.hidden[-1]), hidden[-1], atol=1e-5, rtol=1e-5)


def test_encoder_is_transformers(encoder):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(**BERT, hidden_act="gelu", attn_implementation="eager")
    oracle = transformers.BertModel(config, add_pooling_layer=False).eval()
    missing, unexpected = oracle.load_state_dict(encoder.weights, strict=False)
    assert missing == [] and unexpected == []
    with torch.no_grad():
        expected = oracle(TOKENS[None], output_hidden_states=True, output_attentions=True)
    read = encoder(TOKENS, look=True)
    torch.testing.assert_close(read.hidden, torch.cat(expected.hidden_states), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read.attention, torch.cat(expected.attentions), atol=1e-5, rtol=1e-5)
    mean = expected.last_hidden_state[0].mean(0)
    torch.testing.assert_close(read.sentence, mean / mean.norm(), atol=1e-5, rtol=1e-5)


def test_going_on_from_the_past_is_reading_it_all(decoder):
    whole = decoder(TOKENS, look=True)
    first = decoder(TOKENS[:5])
    second = decoder(TOKENS[5:6], first.past)
    third = decoder(TOKENS[6:], second.past, look=True)
    pieces = torch.cat([first.logits, second.logits, third.logits])
    torch.testing.assert_close(pieces, whole.logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(third.attention, whole.attention[:, :, 6:], atol=1e-5, rtol=0)
    torch.testing.assert_close(third.past[2].keys, whole.past[2].keys, atol=1e-5, rtol=0)
    # A past is not used up: another continuation starts from the same one.
    other = decoder(TOKENS[:3], first.past).logits
    torch.testing.assert_close(other, decoder(torch.cat([TOKENS[:5], TOKENS[:3]])).logits[5:], atol=1e-4, rtol=0)


def test_only_the_last_scores_are_the_last_of_all(decoder):
    torch.testing.assert_close(decoder(TOKENS, last=True).logits, decoder(TOKENS).logits[-1:], atol=1e-5, rtol=0)


def test_weights_sum_to_one_and_never_look_ahead(decoder, encoder):
    causal, both_ways = decoder(TOKENS, look=True).attention, encoder(TOKENS, look=True).attention
    for attention in (causal, both_ways):
        torch.testing.assert_close(attention.sum(3), torch.ones(attention.shape[:3]), atol=1e-5, rtol=0)
    assert (causal.triu(1) == 0).all()
    assert (both_ways > 0).all()


def test_a_decoders_head_is_switched_off_before_the_output_projection(decoder):
    """One layer, computed again without it: the columns of W_o that belong to the head are taken away instead."""
    keep = torch.ones(3, 4)
    keep[1, 2] = 0
    plain, cut = decoder(TOKENS, look=True), decoder(TOKENS, keep=keep, look=True)
    name, x = "model.layers.1", plain.hidden[1]
    torch.testing.assert_close(cut.hidden[1], x, atol=0, rtol=0)  # nothing before that layer moves
    normal = F.rms_norm(x, (32,), decoder.weights[f"{name}.input_layernorm.weight"], LLAMA["rms_norm_eps"])
    v = normal @ decoder.weights[f"{name}.self_attn.v_proj.weight"].T  # (T, 2 groups · 8)
    heads = [plain.attention[1, head] @ v[:, head // 2 * 8 :][:, :8] for head in range(4)]
    output = decoder.weights[f"{name}.self_attn.o_proj.weight"].clone()
    output[:, 16:24] = 0
    x = x + torch.cat(heads, 1) @ output.T
    normal = F.rms_norm(x, (32,), decoder.weights[f"{name}.post_attention_layernorm.weight"], LLAMA["rms_norm_eps"])
    gate, up, down = (decoder.weights[f"{name}.mlp.{each}_proj.weight"] for each in ("gate", "up", "down"))
    expected = x + (F.silu(normal @ gate.T) * (normal @ up.T)) @ down.T
    torch.testing.assert_close(cut.hidden[2], expected, atol=1e-4, rtol=1e-4)
    assert (cut.logits - plain.logits).abs().max() > 0.01


def test_an_encoders_head_is_switched_off_before_the_output_projection(encoder):
    keep = torch.ones(2, 3)
    keep[0, 1] = 0
    plain, cut = encoder(TOKENS, look=True), encoder(TOKENS, keep=keep, look=True)
    weights, name, x = encoder.weights, "encoder.layer.0", plain.hidden[0]
    v = x @ weights[f"{name}.attention.self.value.weight"].T + weights[f"{name}.attention.self.value.bias"]
    heads = torch.cat([plain.attention[0, head] @ v[:, 8 * head :][:, :8] for head in range(3)], 1)
    output = weights[f"{name}.attention.output.dense.weight"].clone()
    output[:, 8:16] = 0
    attended = heads @ output.T + weights[f"{name}.attention.output.dense.bias"]

    def norm(x, part):
        return F.layer_norm(x, (24,), weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"], 1e-12)

    x = norm(x + attended, "attention.output.LayerNorm")
    wide = x @ weights[f"{name}.intermediate.dense.weight"].T + weights[f"{name}.intermediate.dense.bias"]
    wide = wide * (1 + torch.erf(wide / math.sqrt(2))) / 2  # GELU, Hendrycks & Gimpel 2016
    thought = wide @ weights[f"{name}.output.dense.weight"].T + weights[f"{name}.output.dense.bias"]
    torch.testing.assert_close(cut.hidden[1], norm(x + thought, "output.LayerNorm"), atol=1e-5, rtol=1e-4)
    assert (cut.sentence - plain.sentence).abs().max() > 1e-3


@pytest.mark.parametrize("count", [0, 41])
def test_a_decoder_refuses_what_its_context_cannot_hold(decoder, count):
    with pytest.raises(ValueError, match="from 1 to 40"):
        decoder(torch.zeros(count, dtype=torch.long))


def test_a_decoder_counts_the_past_in(decoder):
    past = decoder(torch.zeros(38, dtype=torch.long)).past
    assert decoder(torch.zeros(2, dtype=torch.long), past).logits.isfinite().all()
    with pytest.raises(ValueError, match="3 tokens after 38"):
        decoder(torch.zeros(3, dtype=torch.long), past)


@pytest.mark.parametrize("count", [0, 21])
def test_an_encoder_refuses_what_its_context_cannot_hold(encoder, count):
    with pytest.raises(ValueError, match="from 1 to 20"):
        encoder(torch.zeros(count, dtype=torch.long))


def test_the_weights_are_the_mapped_file_itself(decoder, encoder):
    """No layer's weights are copied: what a model multiplies by is where the file is mapped."""
    for model in (decoder, encoder):
        assert model.weights is model.opened.tensors
        assert all(tensor.float().data_ptr() == tensor.data_ptr() for tensor in model.weights.values())
