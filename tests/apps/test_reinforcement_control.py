"""The loop of acting and learning: what it counts, what it shows, what it refuses; and that the agents do learn."""

import statistics
from pathlib import Path

import numpy as np
import pytest

from apps.reinforcement.control import STRIDE, Control
from apps.reinforcement.environments import WORLDS
from apps.reinforcement.players import PAGES
from apps.reinforcement.race import RACERS, Race
from shared.live.experiment import Plain
from shared.live.run import Run
from tests.shared.watching import differences

EVERY = [
    {"algorithm": "ppo"},
    {"algorithm": "dqn", "double": True, "duelling": True, "prioritised": True, "replay_size": 1100},
    {"algorithm": "reinforce"},
    {"algorithm": "a3c"},
    {"algorithm": "a3c", "synchronous": True},
    {"algorithm": "ddpg", "env": "Pendulum", "twin_critics": True, "delayed_actor": True, "smoothed_target": True},
]


def after(steps: int, seed: int = 0, **values: object) -> Run:
    run = Run(Control, values, seed)
    for _ in range(steps):
        run.advance()
    return run


@pytest.mark.parametrize("values", EVERY, ids=str)
def test_a_run_goes_on_from_its_checkpoint(values, tmp_path: Path):
    """After updates, in the middle of an episode and of a rollout: network, memory, environments, stage, all of it."""
    run = after(150, 3, evaluate_every=1000, **values)
    run.send({"kind": "hold", "direction": "left"})
    run.advance()
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(Control, tmp_path / "some.checkpoint")
    assert run.frame().metrics["updates"] > 0
    for _ in range(30):
        assert differences(copy.frame(), run.frame()) == []
        run.advance()
        copy.advance()
    assert differences(copy.frame(), run.frame()) == []


@pytest.mark.parametrize("values", EVERY, ids=str)
def test_two_runs_with_one_seed_are_one(values):
    one, other, third = (after(140, seed, **values).frame() for seed in (4, 4, 5))
    assert differences(one, other) == []
    assert one.metrics["updates"] > 0
    assert differences(one, third) != []


@pytest.mark.parametrize("values", EVERY, ids=str)
def test_a_step_is_so_many_steps_of_the_environment_whatever_the_algorithm(values):
    assert after(3, **values).frame().metrics["env_steps"] == 3 * STRIDE


def test_looking_on_and_evaluating_change_nothing_of_what_is_learned():
    """Who plays on the stage, how often, and how often it is judged: the weights are the same in the end."""
    plain, other = after(100), after(100, evaluate_every=80, pace=10.0)
    for a, b in zip(plain.experiment.agent.acting.weights(), other.experiment.agent.acting.weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(other.experiment.evaluations.kept) == other.experiment.env_steps // 80 > 5


def test_a_long_update_is_spread_over_steps_and_comes_out_the_same():
    """The stage plays on meanwhile; who acts in between has the rest of it done first."""
    run, other = after(0, 2), after(0, 2)
    while not run.experiment.agent.pending:
        run.advance()
        other.advance()
    steps, played = run.experiment.env_steps, len(run.experiment.shown.values)
    agent, count = run.experiment.agent, len(run.experiment.agent.pending)
    assert count == 20 == agent.settings.epochs  # one minibatch an epoch in CartPole
    while agent.pending:
        run.advance()
        count -= 1
        assert (len(agent.pending), run.experiment.env_steps) == (count, steps)
    with other.randomness.own():
        other.experiment.agent.act(other.experiment.environments.observations)
    assert not other.experiment.agent.pending and played
    for a, b in zip(agent.acting.weights(), other.experiment.agent.acting.weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_returns_are_those_of_whole_episodes():
    run = Run(Control, {"algorithm": "dqn"}, 0)  # one copy; CartPole earns 1 a step
    while run.experiment.episodes < 3:
        run.advance()
    ends = run.experiment.returns.kept
    lengths = np.diff([0, *(row[0] for row in ends)])
    assert [row[1] for row in ends] == lengths.tolist()
    assert [row[2] for row in ends] == pytest.approx([np.mean(lengths[: i + 1]) for i in range(len(ends))])
    assert run.frame().metrics["episode_return_mean_100"] == pytest.approx(ends[-1][2])


def test_an_evaluation_is_the_greedy_policys_own():
    run = after(40)
    control = run.experiment
    twenty = after(0, evaluate_every=1000).experiment
    twenty.agent.load_state_dict(control.agent.state_dict())
    first = twenty.evaluate()
    assert first == twenty.evaluate()
    earned = []
    for seed in range(1_000_000, 1_000_020):  # one by one
        control.person.begin(seed)
        while not control.person.move(
            control.agent.choose(control.agent.acting(control.person.observation[None]), 0)[0]
        ):
            pass
        earned.append(control.person.earned)
    assert first == pytest.approx(statistics.mean(earned))


def test_the_first_snapshot_is_the_clueless_one_and_the_last_the_newest():
    run = after(0)
    clueless = run.experiment.agent.acting.weights()
    while run.experiment.env_steps < 2400:
        run.advance()
    album = run.experiment.album
    assert all(np.array_equal(a, b) for a, b in zip(album.weights[0], clueless, strict=True))
    assert run.frame().metrics["past_steps"] == 0
    seed = run.experiment.shown.seed
    run.set_knob("snapshot", 10)
    assert run.frame().metrics["past_steps"] == 2000
    starts = {player.seed for player in (run.experiment.shown, run.experiment.past)}
    assert len(starts) == 1 and starts != {seed}
    assert differences(run.frame(), run.frame()) == []


def test_a_person_steers_from_the_agents_start_until_their_episode_is_over():
    run = after(1, algorithm="dqn", pace=10.0)  # a step of the run is one on the stage
    before = run.experiment.person.observation.copy()
    for _ in range(3):
        run.advance()
    assert np.array_equal(run.experiment.person.observation, before)  # nobody plays
    run.send({"kind": "hold", "direction": "right"})
    assert run.experiment.person.seed == run.experiment.shown.seed
    run.send({"kind": "hold", "direction": ""})  # in CartPole it is pushed on
    steps = 0
    while run.experiment.held is not None:
        run.advance()
        steps += 1
    assert run.experiment.person.earned == steps  # CartPole earns 1 a step; pushed one way it falls
    assert 5 < steps < 15
    assert run.frame().views["returns"].levels == {"person": steps}
    run.send({"kind": "hold", "direction": ""})
    assert run.experiment.held is None  # letting go starts nothing


def test_a_key_still_held_counts_in_the_next_episode():
    """From a new start, again the agent's; only who has let go must press again."""
    run = after(1, algorithm="dqn", pace=10.0)
    run.send({"kind": "hold", "direction": "right"})
    first = run.experiment.person.seed
    while run.experiment.person.earned is None:
        run.advance()
    person, shown = run.experiment.person, run.experiment.shown
    assert run.experiment.held == 1.0 and person.seed == shown.seed > first
    run.advance()
    assert person.so_far == shown.so_far == 1 and person.action == [1.0]


def test_no_key_held_means_no_push_where_there_is_such_a_thing():
    run = after(0, env="MountainCar", pace=10.0)
    run.send({"kind": "hold", "direction": "left"})
    assert run.experiment.held == 0.0
    run.send({"kind": "hold", "direction": ""})
    assert run.experiment.held == 1.0


@pytest.mark.parametrize(
    "event", [{"kind": "hold"}, {"kind": "hold", "direction": "up"}, {"kind": "hold", "direction": 3}]
)
def test_a_key_that_means_nothing_here_is_refused(event):
    run = after(0)
    with pytest.raises(Plain) as refusal:
        run.send(event)
    assert refusal.value.code == "event_unknown"
    assert run.experiment.held is None


@pytest.mark.parametrize("env", ["Pendulum", "MountainCarContinuous"])
def test_dqn_says_which_algorithms_take_amounts(env):
    with pytest.raises(Plain) as refusal:
        Run(Control, {"algorithm": "dqn", "env": env}, 0)
    assert refusal.value.code == "needs_discrete"
    assert refusal.value.details["allowed"] == "reinforce, a3c, ppo, ddpg"
    assert env in str(refusal.value)


@pytest.mark.parametrize("env", [name for name, world in WORLDS.items() if world.discrete])
def test_ddpg_says_which_algorithms_choose(env):
    with pytest.raises(Plain) as refusal:
        Run(Control, {"algorithm": "ddpg", "env": env}, 0)
    assert refusal.value.code == "needs_continuous"
    assert refusal.value.details["allowed"] == "dqn, reinforce, a3c, ppo"


def test_a_batch_larger_than_the_memory_is_refused():
    with pytest.raises(Plain) as refusal:
        Run(Control, {"algorithm": "dqn", "batch_size": 512, "replay_size": 500}, 0)
    assert refusal.value.code == "batch_over_memory"


@pytest.mark.parametrize("env", WORLDS)
@pytest.mark.parametrize("algorithm", ["reinforce", "a3c", "ppo"])
def test_every_policy_learns_of_either_kind_of_action(env, algorithm):
    metrics = after(30, env=env, algorithm=algorithm).frame().metrics
    assert metrics["env_steps"] == 240


def test_a_rate_that_is_too_high_stops_the_run_in_words():
    run = Run(Control, {"algorithm": "dqn"}, 0)
    run.set_knob("learning_rate_factor", 10.0)
    assert run.experiment.agent.optimizers["adam"].learning_rate == pytest.approx(
        10 * run.experiment.agent.settings.learning_rate
    )
    for _ in range(130):
        run.advance()
    for weight in run.experiment.agent.network.parameters():
        weight.data.fill_(1e38)
    with pytest.raises(Plain) as stop:
        for _ in range(10):
            run.advance()
    assert stop.value.code == "diverged"


def test_the_clip_moves_while_the_run_goes_on():
    run = after(40)
    run.set_knob("clip", 0.1)
    assert run.frame().views["inside"].marks == {"clip_low": 0.9, "clip_high": 1.1}


# -- what the app ships ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "bar"), [("CartPole", 475), ("Acrobot", -100), ("Pendulum", -200), ("LunarLander", 200)]
)
def test_the_shipped_expert_plays_at_once_beside_its_pasts(env, bar, tmp_path: Path):
    run = after(0, env=env, start="shipped", snapshot=0)
    album, frame = run.experiment.album, run.frame()
    assert len(album.steps) == PAGES == len(album.judged)
    assert (frame.metrics["past_steps"], run.experiment.env_steps) == (0, album.steps[-1])
    assert frame.views["past"].title == "past_shipped"
    assert frame.metrics["past_evaluation"] == album.judged[0] < bar <= album.judged[album.steps[-1]]
    for page, acting in zip(album.weights[-1], run.experiment.agent.acting.weights(), strict=True):
        np.testing.assert_array_equal(page, acting)  # the newest page is the agent itself
    run.advance()
    run.save(tmp_path / "some.checkpoint")
    assert differences(Run.load(Control, tmp_path / "some.checkpoint").frame(), run.frame()) == []


@pytest.mark.parametrize("env", ["CartPole", "Acrobot", "Pendulum", "LunarLander"])
def test_the_shipped_expert_earns_what_its_card_says(env):
    run = after(0, env=env, start="shipped", evaluate_every=1000)
    expected = list(run.experiment.album.judged.values())[-1]
    assert run.experiment.evaluate() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("values", [{"env": "MountainCar"}, {"env": "CartPole", "algorithm": "dqn"}])
def test_an_agent_that_is_not_shipped_is_named(values):
    with pytest.raises(Plain) as refusal:
        Run(Control, {"start": "shipped"} | values, 0)
    assert refusal.value.code == "agent_missing"
    assert "LunarLander" in str(refusal.value)


# -- the race ----------------------------------------------------------------------------------------------


def test_each_racer_goes_as_it_would_go_alone_and_all_keep_step(tmp_path: Path):
    race = Run(Race, {"first": "ppo", "second": "a2c", "third": "double_dqn", "fourth": "reinforce"}, 6)
    for _ in range(25):
        race.advance()
    assert {racer.control.env_steps for racer in race.experiment.racers} == {400} == {race.experiment.env_steps}
    for racer, values in zip(race.experiment.racers, [RACERS[r.name] for r in race.experiment.racers], strict=True):
        alone = after(racer.control.step_count, 6, **values)
        assert differences(alone.experiment.frame(), racer.control.frame()) == []
    race.save(tmp_path / "some.checkpoint")
    copy = Run.load(Race, tmp_path / "some.checkpoint")
    for _ in range(5):
        race.advance()
        copy.advance()
    assert differences(copy.frame(), race.frame()) == []
    assert [view.title for view in race.frame().views.values() if view.kind == "sketch"] == [
        "racer_ppo", "racer_a2c", "racer_double_dqn", "racer_reinforce",
    ]  # fmt: skip


def test_a_race_of_two_is_a_race_and_of_one_twice_is_not():
    run = Run(Race, {"first": "ddpg", "second": "td3", "third": "none", "env": "Pendulum"}, 0)
    run.advance()
    assert run.frame().views.keys() == {"first", "second", "means"}
    with pytest.raises(Plain) as refusal:
        Run(Race, {"first": "ppo", "second": "a3c", "third": "ppo"}, 0)
    assert refusal.value.code == "race_twice"
    assert "ppo" in str(refusal.value)


# -- it must learn -----------------------------------------------------------------------------------------


def best(run: Run, budget: int, bar: float) -> float:
    """The best evaluation within `budget` steps of the environment; stops as soon as it is good enough."""
    found = -np.inf
    while run.experiment.env_steps < budget and found < bar:
        run.advance()
        if run.experiment.evaluation is not None:
            found = max(found, run.experiment.evaluation)
    return found


def test_ppo_gets_better_within_seconds():
    """From some 20 steps, by chance, to a multiple of it."""
    assert best(Run(Control, {"evaluate_every": 2000}, 0), 12_000, 120) >= 120


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "budget", "bar"), [("ppo", 100_000, 475), ("dqn", 60_000, 450), ("a3c", 300_000, 400)]
)
def test_four_of_five_seeds_balance_the_pole(algorithm, budget, bar):
    reached = [
        best(Run(Control, {"algorithm": algorithm, "evaluate_every": 5000}, seed), budget, bar) >= bar
        for seed in range(5)
    ]
    assert sum(reached) >= 4


@pytest.mark.slow
def test_four_of_five_seeds_hold_the_pendulum_upright():
    """At the end of 20,000 steps, not at best."""
    ends = []
    for seed in range(5):
        run = Run(Control, {"algorithm": "ddpg", "env": "Pendulum", "evaluate_every": 5000}, seed)
        while run.experiment.env_steps < 20_000:
            run.advance()
        ends.append(run.experiment.evaluation)
    assert sum(end >= -200 for end in ends) >= 4
