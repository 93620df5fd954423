"""The tiny GPT computes what its papers say, looks at nothing ahead, learns, and comes back as it was."""

import math
import re
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apps.transformer import tiny_gpt
from apps.transformer.tiny_gpt import (
    LEAST,
    SHIPPED,
    Attention,
    Gpt,
    TinyGpt,
    TinyGptConfig,
    baselines,
    encode,
    texts,
    thumbnails,
)
from shared.data.texts import TEXTS, lines, split
from shared.live.experiment import Plain, configure
from shared.live.run import Run
from shared.live.wire import encode as message
from shared.models.shipped import shipped_weights

CARD = Path(__file__).parents[2] / "assets" / "weights" / f"{SHIPPED}.card.toml"
SMALL = {"layers": 2, "heads": 2, "width": 32, "context": 16, "batch_size": 8}


def build(seed: int = 0, **values: object) -> TinyGpt:
    torch.manual_seed(seed)
    return TinyGpt(configure(TinyGptConfig, SMALL | values), seed)


def advance(experiment: TinyGpt, steps: int) -> TinyGpt:
    for _ in range(steps):
        experiment.advance()
    return experiment


# -- the network -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [1, 4])
def test_attention_is_that_of_trusted_libraries(heads):
    torch.manual_seed(1)
    ours, x = Attention(32, heads, 10), torch.randn(3, 7, 32)
    theirs = nn.MultiheadAttention(32, heads, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = (p.data for p in ours.queries_keys_values.parameters())
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    ahead = torch.ones(7, 7, dtype=torch.bool).triu(1)
    expected, weights = theirs(x, x, x, attn_mask=ahead, average_attn_weights=False)
    found, looks = ours(x)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(looks, weights, atol=1e-6, rtol=1e-5)

    q, k, v = (p.view(3, 7, heads, -1).transpose(1, 2) for p in ours.queries_keys_values(x).chunk(3, dim=2))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(3, 7, 32)
    torch.testing.assert_close(found, ours.output(mixed), atol=1e-6, rtol=1e-5)


def test_nobody_looks_ahead():
    model = Gpt(configure(TinyGptConfig, SMALL), 20)
    tokens = torch.randint(20, (1, 16))
    changed = tokens.clone()
    changed[0, 9:] = (changed[0, 9:] + 1) % 20
    torch.testing.assert_close(model(tokens)[0][0, :9], model(changed)[0][0, :9])
    assert not torch.equal(model(tokens)[0][0, 9:], model(changed)[0][0, 9:])
    for weights in model(tokens)[1]:
        assert weights.triu(1).abs().max() == 0
        torch.testing.assert_close(weights.sum(3), torch.ones(1, 2, 16))


def test_without_positions_two_orders_of_the_past_give_the_same_first_layer():
    model = Gpt(configure(TinyGptConfig, SMALL | {"positions": False, "layers": 1}), 20)
    tokens = torch.arange(6)[None]
    shuffled = tokens[:, [2, 0, 4, 1, 3, 5]]
    torch.testing.assert_close(model(tokens)[0][0, 5], model(shuffled)[0][0, 5], atol=1e-6, rtol=1e-5)
    told = Gpt(configure(TinyGptConfig, SMALL | {"layers": 1}), 20)
    assert not torch.allclose(told(tokens)[0][0, 5], told(shuffled)[0][0, 5], atol=1e-6)


# -- the texts, and what has to be beaten ------------------------------------------------------------------


def test_baselines_by_hand():
    train, text = "abab", "aba"
    found = baselines(*(torch.tensor(encode(t, "ab")) for t in (train, text[:-1], text[1:])), 2)
    # Pairs ab 2, ba 1: p(b|a) = 3/4, p(a|b) = 2/3. Singles 2 and 2: a half each.
    assert found["uniform"] == pytest.approx(math.log(2))
    assert found["unigram"] == pytest.approx(math.log(2))
    assert found["bigram"] == pytest.approx(-(math.log(3 / 4) + math.log(2 / 3)) / 2)


def test_bigram_level_is_that_of_counting_the_shipped_text():
    run = build()
    train, held_out = split(lines("sayings_es"))
    pairs, firsts, size = Counter(zip(train, train[1:], strict=False)), Counter(train[:-1]), len(set(train + held_out))
    inputs, targets = torch.tensor(run.passages), torch.tensor(run.following)
    text = held_out[: targets.numel() + 1]
    losses = [-math.log((pairs[a, b] + 1) / (firsts[a] + size)) for a, b in zip(text, text[1:], strict=False)]
    assert inputs.shape == targets.shape
    assert run.levels["bigram"] == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize("name", TEXTS)
def test_no_line_is_both_learned_and_held_out(name):
    train, held_out = split(lines(name))
    assert len(held_out) > 8192
    assert not set(train.splitlines()) & set(held_out.splitlines())


def test_a_text_of_ones_own():
    own = "tres tristes tigres comen trigo en un trigal. " * 20
    run = build(own_text=own)
    assert set(run.alphabet) == set(own)
    assert texts(run.config) == (own[: len(own) * 9 // 10], own[len(own) * 9 // 10 :])
    advance(run, 2)
    with pytest.raises(Plain, match=str(LEAST)):
        build(own_text="too short")


# -- the run -----------------------------------------------------------------------------------------------


def test_its_first_guess_is_the_uniform_one():
    run = build()
    assert run.frame().metrics["loss_validation"] == pytest.approx(run.levels["uniform"], rel=0.02)


def test_the_temperature_changes_what_is_written_and_nothing_else():
    cold, warm = (advance(build(temperature=degree), 50) for degree in (0.1, 2.0))
    assert cold.written != warm.written
    assert cold.frame().metrics["loss_validation"] == warm.frame().metrics["loss_validation"]


def test_views_and_metrics():
    frame = advance(build(), 3).frame()
    assert set(frame.metrics) == {"loss_train", "loss_validation", "bigram_loss", "tokens_per_second"}
    assert len(frame.views["written"].tokens) == len(frame.views["written"].values) == 4
    assert frame.views["heads"].pixels.shape == (4, 16, 16)
    assert len(frame.views["passage"].tokens) == len(frame.views["passage"].values) == 16
    passage = "".join(frame.views["passage"].tokens)
    assert split(lines("sayings_es"))[1][1:17] == passage
    run = build()
    run.on_event({"kind": "select", "view": "heads", "index": 3})
    assert run.frame().views["heads"].selected == (3,)
    for index in (4, -1, 1.0, None):
        with pytest.raises(Plain):
            run.on_event({"kind": "select", "view": "heads", "index": index})


def test_thumbnails_are_as_bright_as_each_row_allows():
    weights = torch.tensor([[[1.0, 0.0], [0.25, 0.75]]])
    assert thumbnails(weights).tolist() == [[[255, 0], [85, 255]]]


def test_a_saved_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    run = Run(TinyGpt, SMALL, 5)
    for _ in range(4):
        run.advance()
    run.save(tmp_path / "checkpoint")
    back = Run.load(TinyGpt, tmp_path / "checkpoint")
    for each in (run, back):
        for _ in range(3):
            each.advance()
        each.experiment.tokens_per_second = 0.0  # the one number that may differ
    assert message(run.frame()) == message(back.frame())


# -- the shipped weights -----------------------------------------------------------------------------------


def test_the_shipped_weights_know_what_their_card_says():
    run = build(start="shipped")
    known = re.search(r"([\d.]+) nats a character", tomllib.loads(CARD.read_text(encoding="utf-8"))["how"])
    assert run.loss_validation == pytest.approx(float(known[1]), abs=0.01)  # half precision
    assert run.loss_validation < 0.75 * run.levels["bigram"]
    # They bring their own sizes: the frame follows those, not the knobs.
    heads = run.frame().views["heads"].pixels
    assert heads.shape == (run.size.layers * run.size.heads, run.size.context, run.size.context)
    assert run.size.width == run.model.characters.weight.shape[1] != SMALL["width"]
    run.on_event({"kind": "select", "view": "heads", "index": len(heads) - 1})
    advance(run, 1)
    assert run.frame().views["heads"].selected == (len(heads) - 1,)


def test_the_shipped_weights_go_on_with_another_text():
    """What they know stays; a character that they have never met gets a vector of its own."""
    tensors, about = shipped_weights(SHIPPED)
    own = "日本 " + "tres tristes tigres comen trigo en un trigal. " * 20 + " 日本 "
    run = build(start="shipped", own_text=own, learning_rate=1e-5)
    assert run.alphabet == about["alphabet"] + "日本"
    assert torch.equal(run.model.characters.weight[:-2], tensors["characters.weight"].float())
    assert run.model.characters.weight[-2:].abs().min() > 0
    before = build(own_text=own).loss_validation
    assert run.loss_validation < 0.75 * before
    advance(run, 2)


def test_without_the_file_a_sentence_says_so(monkeypatch):
    monkeypatch.setattr(tiny_gpt, "SHIPPED", "tiny_gpt_of_nothing")
    with pytest.raises(Plain, match="tiny_gpt_of_nothing"):
        build(start="shipped")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_default_beats_counting_pairs_on_text_it_has_not_seen(seed):
    torch.manual_seed(seed)
    run = TinyGpt(TinyGptConfig(), seed)
    while run.loss_validation >= run.levels["bigram"]:
        advance(run, 50)
        assert run.step_count < 600
