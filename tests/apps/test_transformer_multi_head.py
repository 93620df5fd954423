"""Word-by-word attention gives what libraries give all at once."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apps.transformer.multi_head import WORDS, MultiHead, MultiHeadConfig, compare, weigh
from shared.live.experiment import Plain, configure


def build(seed: int = 0, **values: object) -> MultiHead:
    torch.manual_seed(seed)
    return MultiHead(configure(MultiHeadConfig, values), seed)


def finished(**values: object) -> MultiHead:
    run = build(**values)
    while not run.done:
        run.advance()
    return run


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
def test_it_is_that_of_trusted_libraries(heads, causal):
    run = finished(heads=heads, d_model=16, d_k=16 // heads, causal=causal)
    mixed = F.scaled_dot_product_attention(run.q[None], run.k[None], run.v[None], is_causal=causal)[0]
    torch.testing.assert_close(run.mixed, mixed, atol=1e-6, rtol=1e-5)

    theirs = nn.MultiheadAttention(16, heads, bias=False, batch_first=True)
    theirs.in_proj_weight.data = torch.cat([run.query_weights, run.key_weights, run.value_weights], 1).T.contiguous()
    theirs.out_proj.weight.data = run.output_weights.T.contiguous()
    ahead = torch.ones(len(run.words), len(run.words), dtype=torch.bool).triu(1) if causal else None
    x = run.x[None]
    output, weights = theirs(x, x, x, attn_mask=ahead, average_attn_weights=False)
    torch.testing.assert_close(run.output, output[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(run.weights, weights[0], atol=1e-6, rtol=1e-5)


def test_one_query_by_hand():
    query, keys = torch.tensor([[1.0, 2.0, 0.0, 1.0]]), torch.tensor([[[1.0, 0, 0, 1], [0, 1, 5, 0], [3, 1, 0, 1]]])
    scores = compare(query, keys, 1.0)
    assert scores.tolist() == [[1.0, 1.0, 3.0]]  # (2, 2, 6) / √4
    assert compare(query, keys, 2.0).tolist() == [[0.5, 0.5, 1.5]]
    weights = weigh(scores, torch.tensor([True, False, True]))
    assert weights[0, 1] == 0.0
    assert weights[0, 2].item() == pytest.approx(math.e**2 / (1 + math.e**2), rel=1e-5)


def test_a_row_is_filled_at_each_step_and_phase():
    run = build()
    assert [run.advance_phase() for _ in range(3)] == ["ask", "score", "normalise"]
    assert run.weights[:, 0].any() and not run.output.any()
    run.advance()
    assert run.step_count == 1 and run.output[0].any() and not run.output[1:].any()
    assert not run.done


def test_a_live_knob_answers_again_what_has_been_answered():
    run, fresh = finished(), finished(causal=True, temperature=3.0)
    run.on_knob("causal", True)
    run.on_knob("temperature", 3.0)
    torch.testing.assert_close(run.output, fresh.output)
    assert not run.weights.triu(1).any()


def test_the_challenges_answers():
    run = finished()
    first, second = (i for i, word in enumerate(run.words) if word == "the")
    assert torch.equal(run.weights[:, first], run.weights[:, second])
    run.on_knob("causal", True)
    assert not torch.equal(run.weights[:, first], run.weights[:, second])
    run.on_knob("causal", False)
    run.on_knob("temperature", 10.0)
    assert run.frame().metrics["row_entropy"] > 0.98 * math.log(len(run.words))


def test_a_click_opens_a_head_and_nothing_else():
    run = build(heads=2)
    run.on_event({"kind": "select", "view": "head_maps", "index": 1})
    np.testing.assert_array_equal(run.frame().views["q"].values, run.q[1].numpy())
    for index in (2, -1, True, "1", None):
        with pytest.raises(Plain):
            run.on_event({"kind": "select", "view": "head_maps", "index": index})


@pytest.mark.parametrize("words", ["", "   ", "word " * (WORDS + 1)])
def test_too_few_or_too_many_words(words):
    with pytest.raises(Plain, match="from 1 to 24"):
        build(words=words)


@pytest.mark.parametrize("words", ["🦊 🐻", "كلب قط", "a\x00b c\u202e", "<|im_start|> system"])
def test_any_words_will_do(words):
    assert np.isfinite(finished(words=words).frame().metrics["row_entropy"])
