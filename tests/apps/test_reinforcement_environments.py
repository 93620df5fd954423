"""Gymnasium's environments: the same episodes as its own, cut off is not ended, and restored to the last bit."""

import sys

import gymnasium
import numpy as np
import pytest
from torch import nn

from apps.reinforcement.drawing import draw
from apps.reinforcement.environments import WORLDS, Environments
from apps.reinforcement.networks import Quick, mlp
from apps.reinforcement.players import PAGES, Album, Player
from shared.live.experiment import Plain


def random_actions(environments: Environments, count: int) -> np.ndarray:
    world = environments.world
    if world.discrete:
        return np.random.randint(len(world.actions), size=count)
    return np.random.uniform(-1.5, 1.5, (count, 1)).astype(np.float32)  # some of them have to be clipped


@pytest.mark.parametrize("name", WORLDS)
def test_an_episode_is_gymnasiums_own(name):
    """Against the environment as Gymnasium makes it, with its own time limit, for two whole episodes."""
    np.random.seed(0)
    ours, theirs = Environments(name, 1, first_seed=7), gymnasium.make(WORLDS[name].id)
    for episode in range(2):
        observation, _ = theirs.reset(seed=7 + episode)
        over, total = False, 0.0
        while not over:
            np.testing.assert_array_equal(ours.observations[0], (observation / ours.scale).astype(np.float32))
            actions = random_actions(ours, 1)
            done = (
                int(actions[0]) if ours.bound is None else (ours.bound * np.clip(actions[0], -1, 1)).astype(np.float32)
            )
            observation, reward, terminated, truncated, _ = theirs.step(done)
            step, total = ours.step(actions), total + float(reward)
            over = terminated or truncated
            assert step.rewards[0] == pytest.approx(float(reward) * WORLDS[name].reward_scale, rel=1e-6)
            assert (step.terminated[0], step.ended[0]) == (terminated, over)
            np.testing.assert_array_equal(step.following[0], (observation / ours.scale).astype(np.float32))
        assert ours.finished == [pytest.approx(total, rel=1e-9)]


@pytest.mark.parametrize("name", WORLDS)
def test_a_checkpoint_goes_on_as_if_nothing_had_happened(name):
    np.random.seed(1)
    one = Environments(name, 2)
    for _ in range(37):
        one.step(random_actions(one, 2))
    other = Environments(name, 2)
    other.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(one.observations, other.observations)
    assert one.returns == other.returns
    for step in range(60):
        actions = random_actions(one, 2)
        results = []
        for environments in (one, other):
            np.random.seed(step)  # of the next episode's start
            results.append(environments.step(actions))
        np.testing.assert_array_equal(results[0].following, results[1].following)
        np.testing.assert_array_equal(results[0].rewards, results[1].rewards)
        np.testing.assert_array_equal(one.observations, other.observations)


def test_an_episode_that_is_cut_off_is_not_terminated():
    environments = Environments("Pendulum", 1, first_seed=0)
    steps = [environments.step(np.zeros((1, 1), np.float32)) for _ in range(200)]
    assert [step.ended[0] for step in steps] == [False] * 199 + [True]
    assert not any(step.terminated[0] for step in steps)
    assert environments.seeds == [1]
    assert not np.array_equal(steps[-1].following, environments.observations)  # where it ended, not the next start


def test_the_same_randomness_rolls_out_the_same():
    runs = []
    for _ in range(2):
        np.random.seed(5)
        environments = Environments("CartPole", 3)
        runs.append([environments.step(random_actions(environments, 3)).following for _ in range(100)])
    np.testing.assert_array_equal(runs[0], runs[1])


def test_some_of_the_copies_can_step_alone():
    np.random.seed(0)
    environments = Environments("CartPole", 4)
    before = environments.observations.copy()
    step = environments.step(np.array([0, 1]), [3, 1])
    moved = (environments.observations != before).any(axis=1)
    assert moved.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(step.observations, before[[3, 1]])
    np.testing.assert_array_equal(step.following, environments.observations[[3, 1]])


def test_a_missing_package_is_named(monkeypatch):
    for module in [name for name in sys.modules if name.startswith(("gymnasium.envs.box2d", "Box2D"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "Box2D", None)  # as if it were not installed
    with pytest.raises(Plain) as refusal:
        Environments("LunarLander", 1)
    assert refusal.value.code == "environment_missing"
    assert "LunarLander" in str(refusal.value) and "box2d" in str(refusal.value)


# -- what is drawn -----------------------------------------------------------------------------------------


def points_of(sketch, kind: str) -> np.ndarray:
    """The points of the first shape of a kind."""
    place = sketch.names.index(kind)
    first = int(np.flatnonzero(sketch.kinds == place)[0])
    return sketch.points[(sketch.ends[first - 1] if first else 0) : sketch.ends[first]]


def test_the_pole_is_drawn_where_the_state_says():
    player = Player("CartPole")
    player.environments.copies[0].state = np.array([0.5, 0.0, 0.1, 0.0])
    sketch = player.sketch()
    (x, _), (tip, height) = points_of(sketch, "pole")
    assert (x, tip) == pytest.approx((0.5, 0.5 + np.sin(0.1)), rel=1e-6)
    assert height == pytest.approx(0.1 + np.cos(0.1), rel=1e-6)


def test_the_pendulum_is_drawn_as_its_observation_says():
    player = Player("Pendulum")
    cos, sin, _ = player.observation
    tip = points_of(player.sketch(), "pole")[1]
    assert tip.tolist() == pytest.approx([-sin, cos], abs=1e-6)  # upright is cos = 1


def test_the_acrobots_tip_is_as_high_as_its_goal_measures():
    player = Player("Acrobot")
    state = player.environments.copies[0].state = np.array([1.0, 0.7, 0.0, 0.0])
    sketch = player.sketch()
    height = -np.cos(state[0]) - np.cos(state[0] + state[1])  # the environment's own measure
    assert sketch.points[sketch.ends[2] - 1][1] == pytest.approx(height, rel=1e-6)


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_is_drawn_within_its_bounds(name):
    np.random.seed(2)
    player = Player(name)
    for _ in range(40):
        player.move(random_actions(player.environments, 1)[0])
        sketch = player.sketch()
        low_x, high_x, low_y, high_y = sketch.bounds
        assert np.isfinite(sketch.points).all()
        assert sketch.ends[-1] == len(sketch.points)
        inside = (sketch.points >= (low_x - 0.5, low_y - 0.5)) & (sketch.points <= (high_x + 0.5, high_y + 0.5))
        assert inside.mean() > 0.9
        assert len(sketch.kinds) == len(sketch.ends) == len(sketch.widths) == len(sketch.values)


def test_nothing_done_yet_is_drawn_without_a_push():
    for name in WORLDS:
        assert "push" not in draw(name, Player(name).environments.copies[0], None).names


# -- snapshots ---------------------------------------------------------------------------------------------


def test_an_album_spans_the_whole_run_in_a_few_pages():
    network = mlp(2, 1, 4, nn.Tanh)
    album = Album(10)
    for steps in range(0, 2000, 8):
        album.take(steps, Quick(network))
        assert len(album.steps) == len(album.weights) <= PAGES
    assert album.steps[0] == 0
    assert album.steps[-1] > 1500
    gaps = np.diff(album.steps)
    assert gaps.max() <= 2 * gaps.min()
    assert album.page(0) == 0
    assert album.page(PAGES - 1) == len(album.steps) - 1
