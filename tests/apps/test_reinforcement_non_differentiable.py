"""A flat score gives no gradient, REINFORCE's is right on average, its variance is what is drawn, and it learns."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from apps.reinforcement.non_differentiable import (
    ARMS,
    KINDS,
    LENGTH,
    PARTS,
    SIDE,
    BoxTask,
    NonDifferentiable,
    NonDifferentiableConfig,
    TokenTask,
    corners,
    gradient_variance,
    iou,
    reinforce_loss,
)
from shared.live.experiment import configure


def build(seed: int = 0, **values: object) -> NonDifferentiable:
    torch.manual_seed(seed)
    return NonDifferentiable(configure(NonDifferentiableConfig, {"batch_size": 64} | values), seed)


def advance(experiment: NonDifferentiable, steps: int) -> NonDifferentiable:
    for _ in range(steps):
        experiment.advance()
    return experiment


@pytest.mark.parametrize("task", ["tokens", "box"])
def test_the_score_itself_has_no_slope(task):
    """Autograd does reach the weights, and finds nothing; so nothing moves, while the other two arms do."""
    run = build(task=task)
    before = {arm: [p.clone() for p in network.parameters()] for arm, network in run.networks.items()}
    start = run.judged["through_metric"]
    advance(run, 20)
    moved = {
        arm: any(not torch.equal(a, b) for a, b in zip(before[arm], run.networks[arm].parameters(), strict=True))
        for arm in ARMS
    }
    assert moved == {"through_metric": False, "surrogate": True, "reinforce": True}
    assert run.norms["through_metric"] == run.variance["through_metric"] == 0.0
    assert min(run.norms["surrogate"], run.variance["surrogate"]) > 0
    assert run.judged["through_metric"] == start


def test_all_arms_begin_alike():
    run = build()
    first = run.networks["reinforce"].state_dict()
    for network in run.networks.values():
        assert all(torch.equal(value, first[name]) for name, value in network.state_dict().items())


def test_the_best_tokens_are_scored_as_written():
    task = TokenTask()
    torch.manual_seed(0)
    inputs, targets = task.batch(50)
    assert torch.equal(inputs.view(50, LENGTH, KINDS).argmax(2).flip(1), targets)
    out = torch.randn(50, task.outputs)
    tokens = out.view(50, LENGTH, KINDS).argmax(dim=2)
    assert torch.equal(task.best(out, targets), task.score(tokens, targets))
    right = F.one_hot(targets, KINDS).flatten(1).float()
    assert task.best(right, targets).tolist() == task.score(targets, targets).tolist() == [1.0] * 50
    logs = out.view(50, LENGTH, KINDS).log_softmax(2).gather(2, targets[..., None]).sum((1, 2))
    torch.testing.assert_close(task.surrogate(out, targets), -logs)


@pytest.mark.parametrize("baseline", [0.0, 0.3, -2.0])
def test_reinforce_is_right_on_average_whatever_the_baseline(baseline):
    """Summed over all 64 sequences with their probabilities, its gradient is that of -E[R], to the last digit."""
    torch.manual_seed(1)
    out = torch.randn(1, LENGTH * KINDS, dtype=torch.float64, requires_grad=True)
    logs = out.view(LENGTH, KINDS).log_softmax(dim=1)
    target, expected, estimated = torch.tensor([[2, 0, 3]]), torch.zeros(()), torch.zeros(())
    for tokens in itertools.product(range(KINDS), repeat=LENGTH):
        log_probability = logs[torch.arange(LENGTH), torch.tensor(tokens)].sum()
        reward = TokenTask().score(torch.tensor([tokens]), target)[0]
        expected = expected - log_probability.exp() * reward
        estimated = estimated + log_probability.exp().detach() * reinforce_loss(log_probability, reward, baseline)
    (true,) = torch.autograd.grad(expected, out, retain_graph=True)
    (found,) = torch.autograd.grad(estimated, out)
    torch.testing.assert_close(found, true, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("task", [TokenTask(), BoxTask()])
def test_what_is_tried_has_the_probability_that_is_said(task):
    torch.manual_seed(2)
    out = torch.randn(1, task.outputs).expand(20_000, -1)
    tried, logs = task.attempt(out, 0.5)
    if isinstance(task, TokenTask):
        chances = out[0].view(LENGTH, KINDS).softmax(1)
        seen = F.one_hot(tried, KINDS).float().mean(0)
        torch.testing.assert_close(seen, chances, atol=0.02, rtol=0)
        torch.testing.assert_close(logs[0].exp(), chances[torch.arange(LENGTH), tried[0]].prod())
    else:
        normal = torch.distributions.Normal(out, 0.5)
        constant = normal.log_prob(out).sum(1)
        torch.testing.assert_close(logs, normal.log_prob(tried).sum(1) - constant, atol=1e-4, rtol=1e-4)


def test_iou_by_hand_and_by_counting_pixels():
    box = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    assert iou(box, torch.tensor([[2.0, 2.0, 6.0, 6.0]])).item() == pytest.approx(4 / 28)
    assert iou(box, box).item() == 1.0
    assert iou(box, torch.tensor([[4.0, 0.0, 8.0, 4.0]])).item() == 0.0
    assert iou(box, torch.tensor([[3.0, 3.0, 1.0, 1.0]])).item() == 0.0  # of a box that is inside out
    torch.manual_seed(3)
    task = BoxTask()
    pictures, boxes = task.batch(200)
    assert torch.equal(pictures.sum(1), (boxes[:, 2:] - boxes[:, :2]).prod(1))
    drawn = torch.round(corners(torch.randn(200, 4))).clamp(0, SIDE)
    ours, theirs = task.fill(drawn).bool(), pictures.view(200, SIDE, SIDE).bool()
    counted = (ours & theirs).sum((1, 2)) / (ours | theirs).sum((1, 2))
    torch.testing.assert_close(iou(drawn, boxes), counted)


def test_the_variance_is_that_of_the_mean_gradient():
    """Of a loss w·xᵢ the gradient is xᵢ: the mean over N has the variance of x over N."""
    torch.manual_seed(4)
    weight, x = torch.zeros(3, requires_grad=True), torch.randn(80_000, 3) * torch.tensor([1.0, 2.0, 3.0])
    one_each = x[:PARTS]
    exact = one_each.var(dim=0).sum() / PARTS
    assert gradient_variance(one_each @ weight, [weight]) == pytest.approx(exact.item(), rel=1e-5)
    several = [gradient_variance(part @ weight, [weight]) for part in x.split(400)]
    assert sum(several) / len(several) == pytest.approx(14 / 400, rel=0.1)


def variances(run: NonDifferentiable) -> tuple[float, float, float]:
    """REINFORCE's, with the mean reward as its baseline and without one; and that mean."""
    inputs, targets = run.task.batch(8192)
    network = run.networks["reinforce"]
    tried, logs = run.task.attempt(network(inputs), run.config.spread)
    reward, weights = run.task.score(tried, targets), list(network.parameters())
    mean = reward.mean().item()
    with_it, without = (gradient_variance(reinforce_loss(logs, reward, b), weights) for b in (mean, 0.0))
    return with_it, without, mean


def test_a_baseline_lowers_the_variance_where_every_try_earns_something():
    """Some nine tenths of it, as the page says, once the boxes lie roughly where they should."""
    with_it, without, mean = variances(advance(build(task="box", learning_rate=1e-3, batch_size=256), 50))
    assert mean > 0.35
    assert with_it < 0.2 * without


def test_a_baseline_may_raise_it_where_few_tries_fail():
    """As the page says of sequences: a rare failure has a steep log-probability, which only a baseline listens to."""
    run = build(learning_rate=1e-2, batch_size=256)
    while run.mean_reward < 0.7:
        run.advance()
        assert run.step_count < 500
    with_it, without, mean = variances(run)
    assert 0.6 < mean < 0.999
    assert with_it > 1.5 * without


@pytest.mark.parametrize("seed", range(3))
def test_reinforce_learns_what_the_flat_score_cannot_teach(seed):
    torch.manual_seed(seed)
    run = NonDifferentiable(NonDifferentiableConfig(), seed)
    chance = run.judged["through_metric"]
    while run.judged["reinforce"] < 0.95:
        advance(run, 50)
        assert run.step_count < 1000
    assert run.judged["surrogate"] > 0.95
    assert run.judged["through_metric"] == chance < 5 / 64
