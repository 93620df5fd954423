"""The image GAN: one update is its phases, looking changes nothing, and the shipped weights are as good as promised."""

import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest
import torch

from apps.gans import images
from apps.gans.images import Film, ImagesGan, ImagesGanConfig, generator_loss, latent_walk
from shared.live.experiment import Plain, configure
from shared.live.wire import encode
from shared.models.classifier import assess, judge

TINY = ImagesGanConfig(width=4, latent_dimension=4, batch_size=8)
EMOJI = dataclasses.replace(TINY, dataset="emoji", emoji_group="food_drink")


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker; torch's thread count is given back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def start(config=TINY, seed=0):
    torch.manual_seed(seed)
    return ImagesGan(config, seed)


def flat(value):
    """A state or a frame's message as one comparable text."""
    if isinstance(value, torch.Tensor):
        return hashlib.sha256(value.detach().contiguous().numpy().tobytes()).hexdigest()
    if isinstance(value, dict):
        return {str(key): flat(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [flat(item) for item in value]
    return value


def fingerprint(run):
    return json.dumps(flat(run.state_dict()), default=str)


def test_phases_are_one_step():
    whole, slow = start(), start()
    torch.manual_seed(1)
    whole.advance()
    torch.manual_seed(1)
    for _ in ImagesGan.phases:
        slow.advance_phase()
        slow.frame()
    assert whole.step_count == slow.step_count == 1
    assert fingerprint(whole) == fingerprint(slow)


def test_each_player_moves_in_its_own_phase_alone():
    run, moved = start(), {}
    for phase in ImagesGan.phases:
        before = [[p.detach().clone() for p in net.parameters()] for net in (run.generator, run.discriminator)]
        run.advance_phase()
        nets = (run.generator, run.discriminator)
        moved[phase] = [
            any(not torch.equal(a, b) for a, b in zip(old, net.parameters(), strict=True))
            for old, net in zip(before, nets, strict=True)
        ]
    assert [p for p, (g, _) in moved.items() if g] == ["generator_moves"]
    assert [p for p, (_, d) in moved.items() if d] == ["discriminator_moves"]


@pytest.mark.parametrize("config", [TINY, EMOJI])
def test_a_frame_changes_nothing_and_draws_no_random_number(config):
    run = start(config)
    run.advance()
    before, random = fingerprint(run), torch.get_rng_state()
    first = encode(run.frame())
    assert encode(run.frame()) == first
    assert fingerprint(run) == before and torch.equal(torch.get_rng_state(), random)
    assert run.generator.training


def test_same_seed_same_run():
    def play(seed):
        run = start(seed=seed)
        for _ in range(3):
            run.advance()
        return encode(run.frame())

    assert play(0) == play(0) != play(1)


def test_resumed_run_is_bit_identical():
    run = start()
    for _ in range(3):
        run.advance()
    saved, random = run.state_dict(), torch.get_rng_state()
    saved = torch.load(_stored(saved), weights_only=False)
    run.advance()
    other = start(seed=0)
    other.load_state_dict(saved)
    torch.set_rng_state(random)
    other.advance()
    assert fingerprint(run) == fingerprint(other)
    assert encode(run.frame()) == encode(other.frame())


def _stored(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_gradient_picture_against_finite_differences():
    run = start()
    picture = run.imagine(run.fixed_noise[:1]).detach()[0]
    run.discriminator.double()
    values = run.gradient(picture.double()).values
    for y, x in ((0, 0), (10, 14), (27, 5)):
        nudged = torch.stack([picture.double(), picture.double()])
        nudged[0, 0, y, x] += 1e-4
        nudged[1, 0, y, x] -= 1e-4
        with torch.no_grad():
            above, below = (generator_loss("non_saturating", run.discriminator(p[None]).squeeze(1)) for p in nudged)
        assert values[y, x] == pytest.approx(((above - below) / 2e-4).item(), rel=1e-3, abs=1e-9)


def test_views_and_metrics():
    run = start()
    run.advance()
    frame = run.frame()
    assert set(frame.views) >= {"samples", "film", "real", "scores", "gradient", "walk", "losses", "classes"}
    assert frame.views["samples"].pixels.shape == (64, 28, 28)
    assert set(frame.metrics) == {
        "loss_discriminator", "loss_generator", "class_share_min", "confidence", "feature_distance",
    }  # fmt: skip
    assert frame.views["scores"].counts["real"].sum() == TINY.batch_size
    assert frame.views["classes"].values.sum() == pytest.approx(1)
    heat = frame.views["gradient"]
    assert heat.high == -heat.low == pytest.approx(np.abs(heat.values).max())


def test_samples_are_judged_a_part_a_step_and_measured_when_all_are():
    run = start()
    with torch.no_grad():
        run.generator[-2].bias.add_(1.0)  # other pictures than those of step 0
    before, wanted = run.measured, assess(judge(run.imagine(run.fixed_noise)))
    for step in range(1, images.EVERY):
        run.take_stock(step)
        assert run.measured == before
    run.take_stock(images.EVERY)
    assert run.measured == pytest.approx(wanted, rel=1e-4) and wanted["feature_distance"] != before["feature_distance"]


def test_emoji_have_colour_and_no_clothes():
    frame = start(EMOJI).frame()
    assert frame.views["samples"].pixels.shape == (64, 32, 32, 3)
    assert "classes" not in frame.views and "confidence" not in frame.metrics


def test_walk_joins_the_chosen_samples():
    run = start()
    for index in (5, 9):
        run.on_event({"kind": "select", "view": "samples", "index": index})
    frame = run.frame()
    samples, walk = frame.views["samples"], frame.views["walk"].pixels
    assert samples.selected == (5, 9)
    assert np.abs(walk[0].astype(int) - samples.pixels[5]).max() <= 1
    assert np.abs(walk[-1].astype(int) - samples.pixels[9]).max() <= 1
    run.on_event({"kind": "select", "view": "samples", "index": 9})  # the same one twice is no walk, and no NaN
    assert torch.isfinite(latent_walk(run.fixed_noise[9], run.fixed_noise[9], 8)).all()
    run.frame()


@pytest.mark.parametrize("index", [-1, 64, 1.5, "1", None, True])
def test_a_sample_that_is_not_there(index):
    with pytest.raises(Plain):
        start().on_event({"kind": "select", "view": "samples", "index": index})


def test_film_thins_out_and_keeps_the_whole_run():
    film = Film()
    for step in range(2001):
        if film.due(step):
            film.keep(step, np.full((2, 4, 4), step % 256, np.uint8))
    steps = [step for step, _ in film.moments]
    assert len(steps) <= images.MOMENTS and steps[0] == 0 and steps[-1] > 1500
    assert len(set(np.diff(steps))) == 1


def test_unknown_values_are_refused():
    for bad in ({"width": 1000}, {"loss": "wasserstein"}, {"emoji_group": "fruit"}, {"no_such": 1}):
        with pytest.raises(Plain):
            configure(ImagesGanConfig, bad)


def test_weights_that_are_not_shipped_are_named():
    with pytest.raises(Plain) as refused:
        start(dataclasses.replace(EMOJI, start="shipped"))
    assert refused.value.code == "weights_missing"


def test_it_stops_when_it_diverges():
    run = start()
    with torch.no_grad():
        next(run.discriminator.parameters()).fill_(float("nan"))
    with pytest.raises(Plain) as stopped:
        run.advance()
    assert stopped.value.code == "diverged"


@pytest.fixture(scope="module")
def shipped_judgement():
    """What the classifier makes of 1,000 samples of the shipped generator."""
    run = start(ImagesGanConfig(start="shipped"))
    with torch.no_grad():
        noise = torch.randn(1000, run.latent, generator=torch.Generator().manual_seed(7))
        return judge(torch.cat([run.imagine(piece) for piece in noise.split(100)]))


def test_shipped_weights_draw_every_class(shipped_judgement):
    assert images.class_shares(shipped_judgement).min() >= 0.03
    shipped, random = (start(ImagesGanConfig(start=weights)).measured for weights in ("shipped", "scratch"))
    assert shipped["feature_distance"] < 0.25 * random["feature_distance"]


def test_shipped_weights_are_as_sure_as_promised(shipped_judgement):
    assert shipped_judgement.probabilities.amax(1).mean() >= 0.8
