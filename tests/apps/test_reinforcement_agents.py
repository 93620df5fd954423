"""Each formula of the deep agents against a hand calculation or torch's own, and each agent's bookkeeping."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apps.reinforcement import a3c, dqn, ppo, reinforce
from apps.reinforcement.a3c import A3C
from apps.reinforcement.ddpg import DDPG
from apps.reinforcement.dqn import DQN
from apps.reinforcement.environments import WORLDS, Environments, Step
from apps.reinforcement.networks import (
    Adam,
    Categorical,
    Gaussian,
    Quick,
    RMSProp,
    SquashedGaussian,
    Weights,
    mlp,
    softmax,
)
from apps.reinforcement.ppo import PPO
from apps.reinforcement.reinforce import Reinforce
from apps.reinforcement.replay import Replay

# A five-step episode with round numbers: γ = 1/2, λ = 1/2, so that all can be done in the head.
REWARDS = np.array([1, 0, 2, 0, 4], np.float32)
VALUES = np.array([2, 4, 0, 8, 4], np.float32)
NEXT_VALUES = np.array([4, 0, 8, 4, 16], np.float32)
NEVER = np.zeros(5, bool)
AT_THE_END = np.array([False] * 4 + [True])


def seeded(seed: int = 0) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)


# -- returns and advantages ----------------------------------------------------------------------------------


def test_advantages_of_five_steps_by_hand():
    """δ = r + V'/2 - V = 1, -4, 6, -6, and 0 where the episode terminates; A_t = δ_t + A_{t+1} / 4."""
    found = ppo.advantages(REWARDS, VALUES, NEXT_VALUES, AT_THE_END, AT_THE_END, 0.5, 0.5)
    assert found.tolist() == [1 + (-4 + (6 - 6 / 4) / 4) / 4, -4 + (6 - 6 / 4) / 4, 6 - 6 / 4, -6.0, 0.0]


def test_lambda_returns_of_five_steps_by_hand():
    """G^λ_t = r + γ ((1-λ) V' + λ G^λ_{t+1}), Sutton & Barto 2018, eq. 12.20: what PPO's critic learns."""
    advantage = ppo.advantages(REWARDS, VALUES, NEXT_VALUES, AT_THE_END, AT_THE_END, 0.5, 0.5)
    later, expected = 0.0, []
    for t in reversed(range(5)):
        follows = 0.0 if t == 4 else 0.5 * NEXT_VALUES[t] + 0.5 * later
        later = REWARDS[t] + 0.5 * follows
        expected.append(later)
    assert (advantage + VALUES).tolist() == expected[::-1]


def test_a_cut_off_episode_counts_what_would_have_followed():
    """Truncation is not termination: the last δ gains γ V' = 8, but the sum stops there all the same."""
    ended = ppo.advantages(REWARDS, VALUES, NEXT_VALUES, AT_THE_END, AT_THE_END, 0.5, 0.5)
    cut_off = ppo.advantages(REWARDS, VALUES, NEXT_VALUES, NEVER, AT_THE_END, 0.5, 0.5)
    assert (cut_off - ended).tolist() == [8 / 256, 8 / 64, 8 / 16, 8 / 4, 8]
    middle = np.array([False, False, True, False, False])
    parted = ppo.advantages(REWARDS, VALUES, NEXT_VALUES, NEVER, middle, 0.5, 0.5)
    assert parted[2] == REWARDS[2] + 0.5 * NEXT_VALUES[2] - VALUES[2]  # nothing of the next episode


def test_n_step_returns_of_five_steps_by_hand():
    ended = a3c.n_step_returns(REWARDS, NEXT_VALUES, AT_THE_END, AT_THE_END, 0.5)
    assert ended.tolist() == [1 + (2 + 4 / 4) / 4, (2 + 4 / 4) / 2, 2 + 4 / 4, 2.0, 4.0]
    going_on = a3c.n_step_returns(REWARDS, NEXT_VALUES, NEVER, NEVER, 0.5)
    assert going_on.tolist() == [1 + (2 + 12 / 4) / 4, (2 + 12 / 4) / 2, 2 + 12 / 4, 6.0, 12.0]
    np.testing.assert_array_equal(a3c.n_step_returns(REWARDS, NEXT_VALUES, NEVER, AT_THE_END, 0.5), going_on)
    middle = np.array([False, True, False, False, False])
    assert a3c.n_step_returns(REWARDS, NEXT_VALUES, middle, middle, 0.5)[:2].tolist() == [1.0, 0.0]
    assert a3c.n_step_returns(REWARDS, NEXT_VALUES, NEVER, middle, 0.5)[:2].tolist() == [1.0, 0.0 + 0.5 * 0]


def test_monte_carlo_returns_by_hand():
    assert reinforce.returns(REWARDS, 0.5, 0.0).tolist() == [1.75, 1.5, 3.0, 2.0, 4.0]
    assert reinforce.returns(REWARDS, 0.5, 16.0).tolist() == [2.25, 2.5, 5.0, 6.0, 12.0]


def test_with_lambda_1_the_advantage_is_the_n_step_return_minus_the_value():
    draw = np.random.default_rng(0)
    rewards, values, following = draw.normal(size=(3, 12, 4)).astype(np.float32)
    terminated, ended = draw.random((2, 12, 4)) < 0.2
    ended |= terminated
    ended[-1] = True
    # With consistent values, V' = V of the next step, wherever the episode goes on.
    following[:-1] = np.where(ended[:-1], following[:-1], values[1:])
    found = ppo.advantages(rewards, values, following, terminated, ended, 0.9, 1.0)
    returns = a3c.n_step_returns(rewards, following, terminated, ended, 0.9)
    np.testing.assert_allclose(found, returns - values, atol=1e-5)


# -- distributions -------------------------------------------------------------------------------------------


def test_quick_is_the_network():
    seeded()
    for activation in (nn.ReLU, nn.Tanh):
        network, rows = mlp(4, 3, 16, activation), torch.randn(7, 4)
        quick = Quick(network)
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(0.1 * torch.randn_like(weight))  # it sees what an optimiser does
        np.testing.assert_allclose(quick(rows.numpy()), network(rows).detach().numpy(), atol=1e-5)
        past = quick.with_weights(quick.weights())
        before = past(rows.numpy())
        with torch.no_grad():
            network[0].weight.zero_()
        np.testing.assert_array_equal(past(rows.numpy()), before)
        assert not np.allclose(quick(rows.numpy()), before)


def test_categorical_is_torchs():
    seeded()
    policy, rows = Categorical(4, 3, 16), torch.randn(50, 4)
    nn.init.orthogonal_(policy.body[4].weight, 2.0)
    out = policy.quick(rows.numpy())
    actions = policy.draw(out)
    theirs = torch.distributions.Categorical(logits=policy.body(rows))
    log_probs, entropy = policy(rows, torch.from_numpy(actions))
    torch.testing.assert_close(log_probs, theirs.log_prob(torch.from_numpy(actions)))
    torch.testing.assert_close(entropy, theirs.entropy())
    np.testing.assert_allclose(policy.log_probs(out, actions), log_probs.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(policy.shown(out[0]), theirs.probs[0].detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_categorical_draws_as_softmax_says(temperature):
    seeded()
    policy = Categorical(4, 3, 8)
    out = np.repeat(np.array([[0.3, -0.5, 1.0]], np.float32), 20_000, 0)
    seen = np.bincount(policy.draw(out, temperature), minlength=3) / len(out)
    expected = softmax(out[:1] / temperature)[0] if temperature else [0, 0, 1]
    np.testing.assert_allclose(seen, expected, atol=0.015)


def test_gaussian_is_torchs():
    seeded()
    policy, rows = Gaussian(3, 1, 16), torch.randn(50, 3)
    with torch.no_grad():
        policy.log_std.fill_(-0.7)
    out = policy.quick(rows.numpy())
    actions = policy.draw(out)
    theirs = torch.distributions.Normal(policy.body(rows), policy.log_std.exp())
    log_probs, entropy = policy(rows, torch.from_numpy(actions))
    wanted = theirs.log_prob(torch.from_numpy(actions)).sum(1)
    torch.testing.assert_close(log_probs, wanted)
    torch.testing.assert_close(entropy, theirs.entropy().sum(1))
    weights = list(policy.parameters())
    for own, other in zip(
        torch.autograd.grad(log_probs.sum(), weights), torch.autograd.grad(wanted.sum(), weights), strict=True
    ):
        torch.testing.assert_close(own, other)
    np.testing.assert_allclose(policy.log_probs(out, actions), log_probs.detach().numpy(), atol=1e-5)
    many = policy.draw(np.zeros((20_000, 1), np.float32))
    assert many.std() == pytest.approx(np.exp(-0.7), rel=0.03)
    assert policy.draw(out, 0.0) is out


def test_squashed_gaussian_is_torchs():
    seeded()
    policy, rows = SquashedGaussian(3, 2, 16), torch.randn(50, 3)
    with torch.no_grad():
        policy.log_std.fill_(-0.3)
    out = policy.quick(rows.numpy())
    actions = policy.draw(out)
    assert np.abs(actions).max() < 1
    normal = torch.distributions.Normal(policy.body(rows), policy.log_std.exp())
    theirs = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform())
    log_probs, entropy = policy(rows, torch.from_numpy(actions))
    wanted = theirs.log_prob(torch.from_numpy(actions)).sum(1)
    torch.testing.assert_close(log_probs, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(entropy, normal.entropy().sum(1))
    weights = list(policy.parameters())
    for own, other in zip(
        torch.autograd.grad(log_probs.sum(), weights), torch.autograd.grad(wanted.sum(), weights), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(policy.log_probs(out, actions), log_probs.detach().numpy(), atol=1e-3)
    np.testing.assert_allclose(policy.draw(out, 0.0), np.tanh(out))
    far = policy.draw(np.full((10, 2), 50.0, np.float32))  # where tanh is 1 to the last digit
    assert np.isfinite(policy.log_probs(np.full((10, 2), 50.0, np.float32), far)).all()


def test_the_density_is_of_the_draw_and_the_world_clips_it():
    """Whoever learns is given what was drawn, outside ±1 too, so that a ratio begins at 1."""
    seeded()
    world = Environments("Pendulum", 64)
    policy = Gaussian(3, 1, 16)
    out = policy.quick(world.observations)
    drawn = policy.draw(out)
    step = world.step(drawn)
    assert np.abs(drawn).max() > 1 and np.array_equal(step.actions, drawn)
    assert all(np.abs(copy[-1]) <= 1 for copy in world.actions)  # what was done
    now, _ = policy(torch.from_numpy(step.observations), torch.from_numpy(step.actions))
    np.testing.assert_allclose(np.exp(now.detach().numpy() - policy.log_probs(out, step.actions)), 1, atol=1e-5)


# -- losses and targets ----------------------------------------------------------------------------------------


def test_the_clipped_loss_by_cases():
    """Better than expected and likelier already: no slope beyond 1 + ε. Worse: none below 1 - ε. Else plain."""
    for ratio, advantage, expected, slope in [
        (1.5, 2.0, -1.2 * 2, 0.0),
        (1.5, -2.0, 1.5 * 2, 2.0),
        (0.5, -2.0, 0.8 * 2, 0.0),
        (0.5, 2.0, -0.5 * 2, -2.0),
        (1.1, 2.0, -1.1 * 2, -2.0),
    ]:
        given = torch.tensor([ratio], requires_grad=True)
        loss = ppo.clipped_loss(given, torch.tensor([advantage]), 0.2)
        loss.backward()
        assert (loss.item(), given.grad.item()) == (pytest.approx(expected), slope)


def test_at_first_ppo_is_a_policy_gradient():
    """With a ratio of 1 its slope is that of -A log π."""
    seeded()
    policy, rows = Categorical(4, 3, 16), torch.randn(20, 4)
    actions, advantage = torch.randint(3, (20,)), torch.randn(20)
    log_probs, _ = policy(rows, actions)
    loss = ppo.clipped_loss((log_probs - log_probs.detach()).exp(), advantage, 0.2)
    found = torch.autograd.grad(loss, list(policy.parameters()), retain_graph=True)
    plain = torch.autograd.grad(-(advantage * log_probs).mean(), list(policy.parameters()))
    torch.testing.assert_close(found, plain)


def test_reinforces_loss_has_the_policy_gradients_slope():
    log_probs = torch.tensor([-0.5, -1.0], requires_grad=True)
    reinforce.policy_loss(log_probs, torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0])).backward()
    assert log_probs.grad.tolist() == [-2.0, 1.0]


def test_the_actor_critic_loss_by_hand():
    log_probs, values = torch.tensor([-0.5, -1.0], requires_grad=True), torch.tensor([1.0, 2.0], requires_grad=True)
    entropy, returns = torch.tensor([0.6, 0.2]), torch.tensor([3.0, 1.0])
    loss = a3c.actor_critic_loss(log_probs, entropy, values, returns, 0.1, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx((2 * 0.5 - 0.06 + 0.5 * 4 + -1 * 1.0 - 0.02 + 0.5 * 1) / 2)
    assert log_probs.grad.tolist() == [-1.0, 0.5]
    assert values.grad.tolist() == [-1.0, 0.5]  # of the squared error alone: the advantage is a number to the policy


def test_dqns_target_by_hand():
    rewards, terminated = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0])
    following, chosen = torch.tensor([[4.0, 8.0], [4.0, 8.0]]), torch.tensor([1, 1])
    assert dqn.td_target(rewards, terminated, 0.5, following, chosen).tolist() == [5.0, 1.0]
    assert dqn.td_target(rewards, terminated, 0.5, following, 1 - chosen).tolist() == [3.0, 1.0]


def agent_of(kind: str, env: str = "CartPole", **switches) -> DQN | DDPG | PPO | A3C | Reinforce:
    world = WORLDS[env]
    if kind == "dqn":
        chosen = {"double": False, "duelling": False, "prioritised": False} | switches
        return DQN(world, **chosen, replay_size=2000, batch_size=16)
    if kind == "ddpg":
        chosen = {"twin": False, "delayed": False, "smoothed": False} | switches
        return DDPG(world, **chosen, replay_size=2000, batch_size=16)
    return {
        "ppo": lambda: PPO(world, 0.2),
        "a3c": lambda: A3C(world, switches.get("synchronous", False)),
        "reinforce": lambda: Reinforce(world, switches.get("baseline", True)),
    }[kind]()


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("duelling", [False, True])
def test_who_chooses_and_who_judges_in_dqn(double, duelling):
    """Against the target written out with loops, for networks that disagree."""
    seeded()
    agent = agent_of("dqn", double=double, duelling=duelling)
    nn.init.orthogonal_(agent.target_network[4].weight, 3.0)
    rewards, following, terminated = torch.randn(30), torch.randn(30, 4), (torch.rand(30) < 0.3).float()

    def q(network, row):
        out = network(row)
        return out[0] + out[1:] - out[1:].mean() if duelling else out

    expected, disagreements = [], 0
    for reward, row, over in zip(rewards, following, terminated, strict=True):
        own, target = q(agent.network, row), q(agent.target_network, row)
        disagreements += int(own.argmax() != target.argmax())
        later = target[own.argmax()] if double else target.max()
        expected.append(reward + (0 if over else agent.settings.discount * later))
    torch.testing.assert_close(agent.target(rewards, following, terminated), torch.stack(expected).detach())
    assert disagreements > 3
    np.testing.assert_allclose(
        agent.values(agent.acting(following.numpy())),
        torch.stack([q(agent.network, row) for row in following]).detach().numpy(),
        atol=1e-5,
    )


@pytest.mark.parametrize("twin", [False, True])
def test_ddpgs_target_is_td3s_without_its_changes(twin):
    seeded()
    agent = agent_of("ddpg", "Pendulum", twin=twin)
    rewards, following, terminated = torch.randn(30), torch.randn(30, 3), (torch.rand(30) < 0.3).float()
    pairs = torch.cat([following, torch.tanh(agent.actor_target(following))], dim=1)
    judged = [critic(pairs).squeeze(1) for critic in agent.critic_targets]
    least = torch.minimum(*judged) if twin else judged[0]
    expected = rewards + agent.settings.discount * (1 - terminated) * least
    torch.testing.assert_close(agent.target(rewards, following, terminated), expected.detach())


def test_a_smoothed_target_stays_near_and_within_what_is_allowed():
    seeded()
    agent = agent_of("ddpg", "Pendulum", smoothed=True)
    asked = []
    agent.critic_targets[0].register_forward_hook(lambda _, given, out: asked.append(given[0][:, 3].clone()))
    nn.init.constant_(agent.actor_target[4].bias, 5.0)  # tanh(5): the edge of what is allowed
    agent.target(torch.zeros(500), torch.randn(500, 3), torch.zeros(500))
    nn.init.constant_(agent.actor_target[4].bias, 0.0)
    agent.target(torch.zeros(5000), torch.zeros(5000, 3), torch.zeros(5000))
    assert asked[0].max() <= 1 and asked[0].std() > 0.05
    assert asked[1].abs().max() <= 0.5 + 1e-6 and asked[1].std() == pytest.approx(0.2, rel=0.1)


def test_the_actor_climbs_its_critic_and_leaves_it_alone():
    seeded()
    agent, rows = agent_of("ddpg", "Pendulum"), torch.randn(200, 3)
    critic = [weight.clone() for weight in agent.critics.parameters()]

    def worth() -> float:
        return agent.critics[0](torch.cat([rows, torch.tanh(agent.actor(rows))], dim=1)).mean().item()

    before = worth()
    for _ in range(20):
        agent.improve_actor(rows)
    assert worth() > before
    assert all(torch.equal(a, b) for a, b in zip(critic, agent.critics.parameters(), strict=True))
    assert all(weight.requires_grad for weight in agent.critics.parameters())


def test_targets_follow_slowly():
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    expected = 0.9 * a.weight.detach() + 0.1 * b.weight.detach()
    Weights(a).follow(Weights(b), 0.1)
    torch.testing.assert_close(a.weight.detach(), expected)


@pytest.mark.parametrize("longest", [float("inf"), 0.05])
def test_weights_in_a_row_are_the_networks_own_and_our_optimisers_are_torchs(longest):
    """Adam and RMSProp, with the gradient shortened, against torch's on the same networks and losses."""
    for ours, theirs in ((Adam, torch.optim.Adam), (RMSProp, torch.optim.RMSprop)):
        seeded()
        network, other = mlp(4, 2, 8, nn.Tanh), mlp(4, 2, 8, nn.Tanh)
        other.load_state_dict(network.state_dict())
        weights = Weights(network)
        mine = ours(weights, 1e-2)
        decay = {} if ours is Adam else {"alpha": 0.99}
        torchs = theirs(other.parameters(), 1e-2, eps=1e-5, **decay)
        for _ in range(5):
            rows = torch.randn(6, 4)
            gradient = weights.descend(network(rows).square().sum(), longest)
            mine.step() if ours is Adam else mine.step(gradient)
            torchs.zero_grad()
            other(rows).square().sum().backward()
            nn.utils.clip_grad_norm_(other.parameters(), longest)
            torchs.step()
        for a, b in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b)


# -- memory ----------------------------------------------------------------------------------------------------


def step_of(number: float, terminated: bool = False, ended: bool = False) -> Step:
    row = np.full((1, 4), number, np.float32)
    flags = [np.array([flag]) for flag in (terminated, ended or terminated)]
    return Step(row, np.array([int(number) % 2]), np.array([number], np.float32), row + 0.5, *flags)


def test_the_newest_takes_the_oldests_place():
    memory = Replay(WORLDS["CartPole"], 10)
    for number in range(25):
        memory.add(step_of(number, terminated=number == 20, ended=number == 22))
    assert len(memory) == 10
    assert sorted(memory.rewards) == list(range(15, 25))
    batch = memory.sample(200)  # more than there is: each drawn from all
    assert set(batch.rewards.tolist()) == set(range(15, 25))
    torch.testing.assert_close(batch.following, batch.observations + 0.5)
    over = batch.terminated.bool()
    assert set(batch.rewards[over].tolist()) == {20.0}  # 22 was cut off: what would have followed counts
    assert batch.weights.tolist() == [1.0] * 200


def test_what_surprised_is_drawn_more_often():
    """P(i) ∝ (|δ| + ε)^0.6, and weights (N P)^-β undo it as β grows to 1."""
    seeded()
    memory = Replay(WORLDS["CartPole"], 100, prioritised=True)
    for number in range(4):
        memory.add(step_of(number))
    errors = np.array([0.1, -1.0, 2.0, 0.5], np.float32)
    memory.learned(np.arange(4), errors)
    chances = (np.abs(errors) + 1e-3) ** 0.6
    chances /= chances.sum()
    memory.draws = memory.BETA_STEPS  # β = 1
    batch = memory.sample(40_000)
    np.testing.assert_allclose(np.bincount(batch.places) / 40_000, chances, atol=0.01)
    expected = (1 / chances)[batch.places]
    np.testing.assert_allclose(batch.weights.numpy(), expected / expected.max(), rtol=1e-5)
    memory.add(step_of(9))
    assert memory.priorities[4] == memory.priorities[:4].max()  # the new one is as likely as the most surprising


# -- the agents ------------------------------------------------------------------------------------------------

KINDS = [
    ("ppo", "CartPole", {}),
    ("ppo", "Pendulum", {}),
    ("dqn", "CartPole", {}),
    ("dqn", "MountainCar", {"double": True, "duelling": True, "prioritised": True}),
    ("reinforce", "CartPole", {}),
    ("reinforce", "CartPole", {"baseline": False}),
    ("reinforce", "Pendulum", {}),
    ("a3c", "CartPole", {}),
    ("a3c", "CartPole", {"synchronous": True}),
    ("a3c", "Pendulum", {}),
    ("ddpg", "Pendulum", {}),
    ("ddpg", "MountainCarContinuous", {"twin": True, "delayed": True, "smoothed": True}),
]


def live(agent, environments: Environments, steps: int) -> None:
    for _ in range(steps):
        places = agent.turns()
        agent.learn(environments.step(agent.act(environments.observations[places]), places))


@pytest.mark.parametrize(("kind", "env", "switches"), KINDS)
def test_every_agent_acts_learns_and_can_be_looked_into(kind, env, switches):
    seeded()
    agent, environments = agent_of(kind, env, **switches), Environments(env, agent_of(kind, env, **switches).copies)
    before = agent.acting.weights()
    live(agent, environments, 1100 if agent.copies == 1 else 300)
    assert agent.updates > 0
    assert any(not np.array_equal(a, b) for a, b in zip(before, agent.acting.weights(), strict=True))
    observation = environments.observations[0]
    out = agent.acting(observation[None])
    assert agent.choose(out, 0.0).shape == ((1,) if WORLDS[env].discrete else (1, 1))
    assert np.array_equal(agent.choose(out, 0.0), agent.choose(out, 0.0))
    assert len(agent.shown(out[0])) == (WORLDS[env].outputs if WORLDS[env].discrete else 2)
    assert np.isfinite(agent.value(observation))
    assert agent.views(observation).keys() == {"inside", "states"}
    assert all(np.isfinite(value) for value in agent.metrics.values())


def gradient_of(agent: A3C, place: int) -> list[torch.Tensor]:
    return list(torch.autograd.grad(agent.loss([place]), list(agent.learners[place].parameters())))


def test_a3cs_learners_are_out_of_date_and_a2cs_are_not():
    seeded()
    agent = agent_of("a3c")
    environments = Environments("CartPole", 8)
    live(agent, environments, 400)
    ages = [age for _, _, _, age in agent.landings]
    assert min(ages) >= 0 and max(ages) > 3  # others landed in between
    shared = agent.weights.row
    copies = [weights.row for weights in agent.copied_weights]
    versions = [version for _, version in agent.copied]
    for weights, version in zip(copies, versions, strict=True):
        assert torch.equal(weights, shared) == (version == agent.updates)
    assert any(version < agent.updates for version in versions)
    together = agent_of("a3c", synchronous=True)
    live(together, environments, 100)
    assert {age for _, _, _, age in together.landings} == {0}
    assert together.updates == 100 // together.settings.rollout


def test_a3cs_gradient_is_the_copys_and_lands_in_the_network_as_it_is_by_then():
    seeded()
    agent, environments = agent_of("a3c"), Environments("CartPole", 8)
    live(agent, environments, 100)
    place = next(p for p in range(8) if agent.rollouts[p] and agent.copied[p][1] < agent.updates)
    gradient = gradient_of(agent, place)
    flat = torch.cat([part.flatten() for part in gradient])
    flat = flat * min(1.0, 0.5 / (flat.norm().item() + 1e-6))
    square = 0.99 * agent.rmsprop.square + 0.01 * flat.square()
    expected = agent.weights.row.detach() - 7e-4 * flat / (square.sqrt() + 1e-5)
    agent.land([place])
    torch.testing.assert_close(agent.weights.row.detach(), expected)


def test_huber_is_what_mnih_clip():
    """The slope of the loss is the TD error, cut at ±1, as in Mnih et al. 2015."""
    old = torch.tensor([0.0, 0.0, 0.0], requires_grad=True)
    F.smooth_l1_loss(old, torch.tensor([0.3, 5.0, -7.0]), reduction="sum").backward()
    assert old.grad.tolist() == pytest.approx([-0.3, -1.0, 1.0])
