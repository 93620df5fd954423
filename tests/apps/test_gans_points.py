"""The 2-D GAN computes what its papers say, shows what it computes, and can be steered, stored and resumed."""

import itertools
import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apps.gans import points as gan
from apps.gans.points import LOSSES, PointsGan, PointsGanConfig
from shared.data import points
from shared.live.experiment import Plain, configure, knobs
from shared.live.run import Run
from shared.live.wire import encode

SMALL = {"batch_size": 32, "generator_width": 16, "discriminator_width": 16, "generator_depth": 2}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def build(seed: int = 0, **values: object) -> PointsGan:
    torch.manual_seed(seed)
    return PointsGan(configure(PointsGanConfig, values), seed)


def run(experiment: PointsGan, steps: int) -> PointsGan:
    for _ in range(steps):
        experiment.advance()
    return experiment


def everything(value: object) -> list[torch.Tensor | object]:
    """A state's leaves, tensors as bytes, to compare bit by bit."""
    if isinstance(value, dict):
        return [leaf for key in value for leaf in (key, *everything(value[key]))]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in everything(item)]
    return [value.detach().numpy().tobytes()] if isinstance(value, torch.Tensor) else [value]


# -- the losses --------------------------------------------------------------------------------------------

REAL, FAKE = torch.tensor([2.0, -0.5, 0.3, 40.0]), torch.tensor([-3.0, 1.5, 0.2, -60.0])


def bce(scores: torch.Tensor, target: float) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, target))


def mse(scores: torch.Tensor, target: float) -> torch.Tensor:
    return F.mse_loss(scores, torch.full_like(scores, target))


def margin(scores: torch.Tensor, target: float) -> torch.Tensor:
    ones = torch.full_like(scores, target)  # HingeEmbedding with x = 1 ∓ s would be the same
    return torch.clamp(1 - ones * scores, min=0).mean()


@pytest.mark.parametrize(
    "name, discriminator, generator",
    [
        ("minimax", bce(REAL, 1) + bce(FAKE, 0), -bce(FAKE, 0)),
        ("non_saturating", bce(REAL, 1) + bce(FAKE, 0), bce(FAKE, 1)),
        ("least_squares", mse(REAL, 1) / 2 + mse(FAKE, 0) / 2, mse(FAKE, 1) / 2),
        ("hinge", margin(REAL, 1) + margin(FAKE, -1), -FAKE.mean()),
        ("wasserstein_gp", FAKE.mean() - REAL.mean(), -FAKE.mean()),
    ],
)
def test_losses_against_a_trusted_library(name, discriminator, generator):
    assert gan.discriminator_loss(name, REAL, FAKE).item() == pytest.approx(discriminator.item(), rel=1e-6)
    assert gan.generator_loss(name, FAKE).item() == pytest.approx(generator.item(), rel=1e-6)


def test_minimax_saturates_and_the_others_do_not():
    """What the lesson rests on: a sure discriminator (s = -20) leaves minimax no slope."""
    slopes = {}
    for name in LOSSES:
        score = torch.tensor([-20.0], requires_grad=True)
        slopes[name] = torch.autograd.grad(gan.generator_loss(name, score), score)[0].abs().item()
    assert slopes.pop("minimax") < 1e-8
    assert min(slopes.values()) > 0.99


@pytest.mark.parametrize("loss", [gan.discriminator_loss, gan.generator_loss])
def test_an_unknown_loss_is_named(loss):
    with pytest.raises(ValueError, match="'cubic'.*hinge"):
        loss("cubic", *([REAL, FAKE] if loss is gan.discriminator_loss else [FAKE]))


def test_gradient_penalty_of_a_linear_critic_by_hand():
    critic = nn.Linear(2, 1)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[3.0, 4.0]]))  # its slope is 5 everywhere
    real, fake, mix = torch.randn(6, 2), torch.randn(6, 2), torch.rand(6, 1)
    penalty = gan.gradient_penalty(critic, real, fake, mix)
    assert penalty.item() == pytest.approx(16)
    (gradient,) = torch.autograd.grad(penalty, critic.weight)
    assert gradient.flatten().tolist() == pytest.approx([2 * 4 * 0.6, 2 * 4 * 0.8])  # 2(‖w‖ - 1) w/‖w‖


def test_gradient_penalty_is_taken_between_real_and_generated():
    def critic(x):
        return x.square().sum(dim=1, keepdim=True) / 2  # its slope at x is x

    real, fake = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    for mix, slope in ((1.0, 2.0), (0.0, 4.0), (0.5, math.sqrt(5))):
        penalty = gan.gradient_penalty(critic, real, fake, torch.tensor([[mix]]))
        assert penalty.item() == pytest.approx((slope - 1) ** 2, rel=1e-5)


def test_belief_and_scale_by_hand():
    scores = torch.tensor([-3.0, 0.0, 0.5, 3.0])
    for name in ("minimax", "non_saturating"):
        assert torch.equal(gan.belief(name, scores, *gan.scale(name, REAL, FAKE)), torch.sigmoid(scores))
    hinge = gan.belief("hinge", scores, *gan.scale("hinge", REAL, FAKE))
    assert hinge.tolist() == [0, 0.5, 0.75, 1]
    squares = gan.belief("least_squares", scores, *gan.scale("least_squares", REAL, FAKE))
    assert squares.tolist() == [0, 0, 0.5, 1]
    real, fake = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 3.0])  # a critic's scores: any origin, any unit
    critic = gan.belief(
        "wasserstein_gp", torch.tensor([2.0, 4.0, 5.0, 6.0, 99.0]), *gan.scale("wasserstein_gp", real, fake)
    )
    assert critic.tolist() == pytest.approx([0, 0.5, 0.75, 1, 1], abs=1e-5)


# -- the update --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_an_update_is_the_one_of_the_paper_done_by_hand(loss):
    """One step with plain gradient descent, beside the same step written out with torch's own backward()."""
    experiment = build(
        loss=loss, optimizer="sgd", lr_discriminator=0.05, lr_generator=0.02, instance_noise=0.1, **SMALL
    )
    twin = build(loss=loss, optimizer="sgd", **SMALL)
    state = torch.get_rng_state()
    run(experiment, 1)
    torch.set_rng_state(state)
    noise = torch.randn(32, 2)
    real = twin.data[torch.randint(len(twin.data), (32,))]
    fake = twin.generator(noise)
    real_seen, fake_seen = (torch.cat([real, fake.detach()]) + 0.1 * torch.randn(64, 2)).split(32)
    objective = gan.discriminator_loss(loss, twin.discriminator(real_seen)[:, 0], twin.discriminator(fake_seen)[:, 0])
    if loss == "wasserstein_gp":
        objective = objective + 10 * gan.gradient_penalty(twin.discriminator, real_seen, fake_seen, torch.rand(32, 1))
    objective.backward()
    with torch.no_grad():
        for weight in twin.discriminator.parameters():
            weight.sub_(0.05 * weight.grad)
    gan.generator_loss(loss, twin.discriminator(fake + 0.1 * torch.randn(32, 2))[:, 0]).backward()
    with torch.no_grad():
        for weight in twin.generator.parameters():
            weight.sub_(0.02 * weight.grad)
    for name in ("discriminator", "generator"):
        for ours, theirs in zip(getattr(experiment, name).parameters(), getattr(twin, name).parameters(), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)
    assert experiment.frame().metrics["loss_discriminator"] == pytest.approx(objective.item(), rel=1e-4)


@pytest.mark.parametrize("updates", [(1, 1), (3, 2)])
def test_phase_by_phase_is_the_same_as_step_by_step(updates):
    values = {"discriminator_updates": updates[0], "generator_updates": updates[1], "instance_noise": 0.1} | SMALL
    whole, slow = run(build(**values), 3), build(**values)
    for _ in range(3):
        assert [slow.advance_phase() for _ in slow.phases] == list(slow.phases)
    assert slow.step_count == 3
    whole_state, slow_state = whole.state_dict(), slow.state_dict()
    assert not slow_state.pop("between_steps") and whole_state.pop("between_steps")
    # each finished the same step with the same numbers drawn: the next ones are the same too
    assert everything(whole_state) == everything(slow_state)
    assert everything(run(slow, 1).state_dict()) != everything(whole_state)


def test_slow_motion_shows_each_phase():
    experiment = run(build(**SMALL), 2)
    seen = {experiment.advance_phase(): experiment.frame() for _ in experiment.phases}
    planes = {phase: frame.views["plane"] for phase, frame in seen.items()}
    batch = planes["sample"].points["generated"]
    assert batch.shape == (32, 2)
    assert planes["sample"].arrows is None and planes["discriminator_moves"].arrows is None
    assert not np.array_equal(planes["score"].field, planes["discriminator_moves"].field)
    assert np.array_equal(planes["generator_gradient"].points["generated"], batch)
    told, moved = planes["generator_gradient"].arrows, planes["generator_moves"].points["generated"]
    assert np.array_equal(told[:, :2], batch)
    assert not np.array_equal(moved, batch)
    norms = {
        phase: dict(zip(f.views["norms"].labels, f.views["norms"].values, strict=True)) for phase, f in seen.items()
    }
    assert norms["score"]["discriminator.0 gradient"] != norms["discriminator_gradient"]["discriminator.0 gradient"]
    assert norms["score"]["generator.0 gradient"] == norms["discriminator_moves"]["generator.0 gradient"]
    # at full speed the fixed noise is drawn
    assert len(run(experiment, 1).frame().views["plane"].points["generated"]) == gan.SHOWN


@pytest.mark.parametrize("players, moved", [("both", "gd"), ("discriminator", "d"), ("generator", "g")])
def test_who_moves(players, moved):
    experiment = build(**SMALL)
    experiment.on_knob("players", players)
    before = {who: [w.clone() for w in getattr(experiment, who).parameters()] for who in ("generator", "discriminator")}
    run(experiment, 1)
    for who, weights in before.items():
        same = all(torch.equal(a, b) for a, b in zip(weights, getattr(experiment, who).parameters(), strict=True))
        assert same == (who[0] not in moved), who
    assert experiment.latest.keys() >= {"loss_discriminator", "loss_generator"}


def test_updates_per_step_are_counted(monkeypatch):
    experiment = build(discriminator_updates=4, generator_updates=3, **SMALL)
    moves = []
    descend = gan.descend
    monkeypatch.setattr(gan, "descend", lambda optimizer, *rest: (moves.append(optimizer), descend(optimizer, *rest)))
    run(experiment, 2)
    assert moves == 2 * (4 * [experiment.discriminator_optimizer] + 3 * [experiment.generator_optimizer])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_live_knobs_act_on_the_next_step_without_losing_anything(optimizer):
    experiment = run(build(optimizer=optimizer, **SMALL), 2)
    networks = experiment.generator, experiment.discriminator
    for name, knob in knobs(PointsGanConfig).items():
        if knob.live:
            value = {"loss": "wasserstein_gp", "players": "discriminator"}.get(name, knob.high)
            experiment.on_knob(name, knob.check(value))
    experiment.on_knob("lr_discriminator", 1e-5)
    before = [w.clone() for w in experiment.discriminator.parameters()]
    experiment.on_knob("discriminator_updates", 1)
    run(experiment, 1)
    assert (experiment.generator, experiment.discriminator) == networks
    moved = max((a - b).abs().max().item() for a, b in zip(before, experiment.discriminator.parameters(), strict=True))
    assert 0 < moved < (2e-5 if optimizer == "adam" else 1e-2)


@pytest.mark.parametrize("loss, latent, dimension", list(itertools.product(LOSSES, ("uniform", "gaussian"), (1, 2))))
def test_every_loss_and_latent_trains_and_draws(loss, latent, dimension):
    values = {"loss": loss, "latent_distribution": latent, "latent_dimension": dimension} | SMALL
    experiment = run(build(**values), 3)
    frame = experiment.frame()
    assert all(math.isfinite(value) for value in frame.metrics.values())
    plane = frame.views["plane"]
    assert plane.mesh.shape == ((1, 201, 2) if dimension == 1 else (21, 21, 2))
    assert 0 <= plane.field.min() <= plane.field.max() <= 1
    assert encode(frame)
    if latent == "uniform":
        assert experiment.noise(1000).abs().max() <= 1


@pytest.mark.parametrize("dataset", gan.points.names())
def test_every_data_set_trains_and_is_judged(dataset):
    frame = run(build(dataset=dataset, **SMALL), 2).frame()
    assert 0 < frame.metrics["js_divergence"] <= 1
    has_modes = dataset in ("ring", "grid")
    assert (
        ("modes_covered" in frame.metrics) == ("high_quality" in frame.metrics) == ("modes" in frame.views) == has_modes
    )
    assert frame.views["plane"].drawable == (dataset == "drawn")


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_every_optimizer_trains(optimizer):
    assert run(build(optimizer=optimizer, **SMALL), 2).step_count == 2


# -- the frame ---------------------------------------------------------------------------------------------


def test_a_frame_changes_nothing_and_draws_no_numbers():
    experiment = run(build(**SMALL), 5)
    experiment.advance_phase()
    for _ in range(2):
        before = everything(experiment.state_dict())
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        first, again = experiment.frame(), experiment.frame()
        assert encode(first) == encode(again)
        assert torch.equal(states[0], torch.get_rng_state()) and random.getstate() == states[2]
        assert np.array_equal(states[1], np.random.get_state()[1])
        assert everything(experiment.state_dict()) == before
        run(experiment, 1)
    watched, alone = build(**SMALL), build(**SMALL)
    torch.manual_seed(1)
    for _ in range(3):
        run(watched, 1).frame()
    torch.manual_seed(1)
    assert everything(watched.state_dict()) == everything(run(alone, 3).state_dict())


def test_a_frame_stays_as_it_was():
    experiment = run(build(**SMALL), 2)
    frame = experiment.frame()
    bytes_then = encode(frame)
    run(experiment, 3)
    assert encode(frame) == bytes_then


@pytest.mark.parametrize("loss", LOSSES)
def test_arrows_against_finite_differences(loss):
    torch.manual_seed(3)
    discriminator = gan.mlp(2, 1, 2, 16).double()
    at = torch.randn(5, 2, dtype=torch.float64)
    tails, arrows = gan.arrows(discriminator, loss, at).split(2, dim=1)
    assert torch.equal(tails, at)
    own_loss = lambda x: gan.generator_loss(loss, discriminator(x)[:, 0]).item()  # noqa: E731, one point's own
    for point, arrow in zip(at, arrows, strict=True):
        slope = torch.tensor([
            (own_loss(point[None] + step) - own_loss(point[None] - step)) / 2e-6 for step in torch.eye(2) * 1e-6
        ])  # fmt: skip
        expected = -slope * gan.LONGEST / (1 + slope.norm())
        assert arrow.tolist() == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-8)


def test_arrows_of_no_gradient_are_nothing_and_of_a_huge_one_stay_in_the_picture():
    flat = nn.Linear(2, 1)
    nn.init.zeros_(flat.weight)
    assert gan.arrows(flat, "hinge", torch.randn(4, 2))[:, 2:].abs().max() == 0
    nn.init.constant_(flat.weight, 1e6)
    lengths = gan.arrows(flat, "hinge", torch.randn(4, 2))[:, 2:].norm(dim=1)
    assert torch.allclose(lengths, torch.tensor(gan.LONGEST), rtol=1e-3)


def test_the_views_show_the_networks_as_they_are():
    experiment = run(build(loss="non_saturating", **SMALL), 3)
    frame = experiment.frame()
    plane, cell = frame.views["plane"], 3.0 / gan.CELLS
    corner = torch.tensor([[-1.5 + cell / 2, -1.5 + cell / 2], [1.5 - cell / 2, -1.5 + cell / 2]])
    with torch.no_grad():
        probability = torch.sigmoid(experiment.discriminator(corner))[:, 0]
        samples = experiment.generator(experiment.fixed_noise)
        folded = experiment.generator(torch.tensor([[-2.0, -2.0], [2.0, -2.0]]))
    assert plane.field[0, 0] == pytest.approx(probability[0].item(), abs=1e-6)
    assert plane.field[0, -1] == pytest.approx(probability[1].item(), abs=1e-6)
    assert np.allclose(plane.points["generated"], samples[: gan.SHOWN], atol=1e-6)
    assert np.allclose(plane.mesh[0, [0, -1]], folded, atol=1e-6)
    assert plane.arrows.shape == (gan.ARROWS, 4)
    scores = frame.views["scores"]
    assert scores.counts["real"].sum() == scores.counts["generated"].sum() == gan.SHOWN and len(scores.edges) == 31
    norms = dict(zip(frame.views["norms"].labels, frame.views["norms"].values, strict=True))
    assert norms["generator.2 weight"] == pytest.approx(experiment.generator[4].weight.norm().item())
    assert len(norms) == 2 * 3 + 2 * 4
    total = sum(g.square().sum().item() for g in experiment.generator_gradients) ** 0.5
    assert frame.metrics["generator_gradient_norm"] == pytest.approx(total, rel=1e-5)
    assert frame.views["losses"].series["loss_generator"][-1, 1] == pytest.approx(frame.metrics["loss_generator"])


def test_movement_is_how_far_fixed_samples_went_since_the_last_stock():
    experiment = build(**SMALL)
    first = experiment.generator(experiment.fixed_noise).detach()
    run(experiment, gan.STOCK)
    went = (experiment.generator(experiment.fixed_noise).detach() - first).norm(dim=1).mean().item()
    assert experiment.frame().metrics["movement"] == pytest.approx(went, rel=1e-5)
    experiment.on_knob("players", "discriminator")
    assert run(experiment, gan.STOCK).frame().metrics["movement"] == 0


# -- what may happen to it -----------------------------------------------------------------------------------


def test_same_seed_same_run_other_seed_other_run():
    metrics = [run(build(seed, **SMALL), 5).frame().metrics for seed in (1, 1, 2)]
    assert metrics[0] == metrics[1] != metrics[2]


def test_runs_that_differ_in_the_loss_start_from_the_same_weights_and_noise():
    first, second = build(loss="minimax", **SMALL), build(loss="hinge", **SMALL)
    assert everything(first.generator.state_dict()) == everything(second.generator.state_dict())
    assert everything(first.discriminator.state_dict()) == everything(second.discriminator.state_dict())
    assert torch.equal(first.fixed_noise, second.fixed_noise) and torch.equal(first.data, second.data)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_stored_run_goes_on_bit_by_bit(optimizer, tmp_path):
    values = {"optimizer": optimizer, "loss": "wasserstein_gp", "instance_noise": 0.05} | SMALL
    experiment = run(build(**values), gan.STOCK + 3)
    experiment.on_event({"kind": "draw", "view": "plane", "points": [[0.5, 0.5], [-0.5, 0.25]]})
    run(experiment, 2)
    torch.save(experiment.state_dict(), tmp_path / "state.pt")
    randomness, frame = torch.get_rng_state(), encode(experiment.frame())
    uninterrupted = everything(run(experiment, gan.STOCK).state_dict())
    resumed = build(seed=9, **values)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert encode(resumed.frame()) == frame
    torch.set_rng_state(randomness)
    resumed.seed = 0
    assert everything(run(resumed, gan.STOCK).state_dict()) == uninterrupted
    assert resumed.dataset == "drawn" and "modes_covered" not in resumed.frame().metrics


def test_a_run_stored_in_mid_step_starts_that_step_again():
    experiment = run(build(**SMALL), 2)
    for _ in range(3):
        experiment.advance_phase()
    resumed = build(**SMALL)
    resumed.load_state_dict(experiment.state_dict())
    assert resumed.advance_phase() == "sample" and resumed.step_count == 2
    run(resumed, 3).frame()


@pytest.mark.parametrize("loss, rate", [("least_squares", 1e-1), ("wasserstein_gp", 1e-1)])
def test_a_run_that_diverges_says_so_and_shows_no_nonsense(loss, rate):
    experiment = build(loss=loss, optimizer="sgd", lr_discriminator=rate, lr_generator=rate, **SMALL)
    with torch.no_grad():
        experiment.discriminator[0].weight.mul_(1e20)

    def watch():
        for _ in range(20):
            experiment.advance()
            assert all(math.isfinite(value) for value in experiment.frame().metrics.values())

    with pytest.raises(Plain, match="stopped being a finite number"):
        watch()


def test_a_frame_of_broken_networks_is_refused():
    experiment = build(**SMALL)
    with torch.no_grad():
        experiment.generator[0].weight.fill_(math.nan)
    with pytest.raises(Plain, match=r"G\(z\) stopped being a finite number"):
        experiment.frame()
    with pytest.raises(Plain, match="stopped being a finite number"):
        experiment.take_stock(50)


def test_a_drawing_far_outside_is_moved_to_the_edge():
    experiment = build(**SMALL)
    experiment.on_event({"kind": "draw", "view": "plane", "points": [[1e300, 0]]})
    assert (experiment.data - torch.tensor([1.45, 0.0])).norm(dim=1).max() < 0.2


def test_a_drawing_becomes_the_data_and_the_networks_stay():
    experiment = run(build(**SMALL), 3)
    weights = everything(experiment.generator.state_dict())
    experiment.on_event({"kind": "draw", "view": "plane", "points": [[0.25, -0.75]] * 2000})
    assert everything(experiment.generator.state_dict()) == weights and experiment.step_count == 3
    assert (experiment.data - torch.tensor([0.25, -0.75])).norm(dim=1).max() < 0.2
    frame = run(experiment, 2).frame()
    assert np.abs(frame.views["plane"].points["real"] - [0.25, -0.75]).max() < 0.2
    assert frame.views["plane"].drawable and "modes" not in frame.views


def test_a_drawing_that_is_cleared_is_a_heart_again():
    experiment = build(dataset="drawn", **SMALL)
    heart = points.share_per_cell(experiment.data)
    experiment.on_event({"kind": "draw", "view": "plane", "points": [[1.0, 1.0]]})
    assert (points.share_per_cell(experiment.data) - heart).abs().sum() > 1
    experiment.on_event({"kind": "clear", "view": "plane"})
    assert (points.share_per_cell(experiment.data) - heart).abs().sum() < 0.5


def test_a_drawing_outlives_a_reset_and_another_data_set_does_not_get_it():
    first = Run(PointsGan, {"dataset": "drawn"} | SMALL, 3)
    first.send({"kind": "draw", "view": "plane", "points": [[0.25, -0.75]]})
    again = first.again({}, 3)
    assert torch.equal(again.experiment.data, first.experiment.data)
    assert first.again({"dataset": "ring"}, 3).experiment.dataset == "ring"


@pytest.mark.parametrize(
    "drawn, code",
    [
        ([], "drawing_size"),
        ([[0, 0]] * 2001, "drawing_size"),
        ([[0.0, 0.0]] * 1_000_000, "drawing_size"),
        (None, "drawing_points"),
        ("[[0, 0]]", "drawing_points"),
        ({"0": [0, 0]}, "drawing_points"),
        ([0.5, 0.5], "drawing_points"),
        ([[0.5]], "drawing_points"),
        ([[0, 0, 0]], "drawing_points"),
        ([[0, 0], [1]], "drawing_points"),
        ([[0, math.nan]], "drawing_points"),
        ([[math.inf, 0]], "drawing_points"),
        ([[10**400, 0]], "drawing_points"),
        ([[None, 0]], "drawing_points"),
        ([[{}, 0]], "drawing_points"),
        ([["a", "b"]], "drawing_points"),
    ],
)
def test_a_drawing_that_makes_no_sense_changes_nothing(drawn, code):
    experiment = build(**SMALL)
    data = experiment.data
    with pytest.raises(Plain) as refused:
        experiment.on_event({"kind": "draw", "view": "plane", "points": drawn})
    assert refused.value.code == code
    assert experiment.data is data and experiment.dataset == "ring"


def test_other_events_are_refused():
    with pytest.raises(Plain) as refused:
        build(**SMALL).on_event({"kind": "key", "key": "x"})
    assert refused.value.code == "event_unknown"
