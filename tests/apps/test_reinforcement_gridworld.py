"""The gridworld keeps to its book: targets and traces by hand, plans against a linear solve, learners against plans."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from apps.reinforcement.grids import ACTIONS, BLANK, KINDS, PRESETS, SIGNS, painted, read
from apps.reinforcement.gridworld import LEARNING, PLANNING, Gridworld, GridworldConfig
from apps.reinforcement.tabular import (
    bellman_expectation,
    bellman_optimality,
    expected_sarsa_target,
    fade_and_learn,
    first_visits,
    greedy_policy,
    look_ahead,
    optimal_values,
    q_learning_target,
    returns,
    sarsa_target,
)
from shared.live.experiment import Plain, configure
from shared.live.run import Run
from shared.live.wire import encode
from tests.shared.watching import differences

UP, RIGHT, DOWN, LEFT = range(4)
CORRIDOR = "cliff:S....G"  # five steps to the goal, each costs 1
DISCOUNTS = {"cliff": 1.0, "maze": 0.95, "windy": 1.0, "reinforcejs": 0.95, "two_goals": 0.95}


def build(seed: int = 0, **values: object) -> Gridworld:
    random.seed(seed)
    return Gridworld(configure(GridworldConfig, values), seed)


def advance(experiment: Gridworld, steps: int) -> Gridworld:
    for _ in range(steps):
        experiment.advance()
    return experiment


def force(run: Gridworld, actions: list[int], then: int = RIGHT) -> None:
    """Let the agent do just these by its own phases; SARSA chooses `then` last, without doing it."""
    run.next_action = actions[0]
    for following in [*actions[1:], then]:
        run.act()
        run.observe()
        run.choose = lambda state, chosen=following: chosen  # type: ignore[method-assign]
        run.target()
        run.update()
        del run.choose
        run.next_action = following


def brush(run: Gridworld, cell: int, kind: str) -> None:
    run.on_event({"kind": "paint", "view": "grid", "cell": cell, "brush": kind})


# -- the world ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "discount", "steps", "value"),
    [
        ("cliff", 1.0, 13, -13.0),  # Sutton & Barto 2018, example 6.6: along the edge
        ("maze", 0.95, 14, 0.95**13),  # example 8.1: 14 steps
        ("windy", 1.0, 15, -15.0),  # example 6.5: 15 steps
        ("two_goals", 0.95, 8, 10 * 0.95**7),
    ],
)
def test_the_best_way_through_each_preset_is_the_books(name, discount, steps, value):
    world = read(name, "")
    values = optimal_values(world, discount)
    assert values is not None
    assert values[world.start] == pytest.approx(value, rel=1e-12)
    best, state, walked = look_ahead(world, values, discount).argmax(axis=1), world.start, 0
    while not world.terminal[state]:
        state, walked = world.next_state[state][best[state]], walked + 1
    assert walked == steps


def test_moves_walls_cliffs_and_goals():
    cliff = read("cliff", "")
    assert cliff.start == 36
    assert (cliff.next_state[36][RIGHT], cliff.reward[36][RIGHT]) == (36, -100.0)  # off the cliff: back to the start
    assert (cliff.next_state[36][LEFT], cliff.reward[36][LEFT]) == (36, -1.0)  # the edge stops
    assert (cliff.next_state[35][DOWN], cliff.reward[35][DOWN]) == (47, -1.0)
    assert cliff.terminal[47] and cliff.next_state[47] == [47] * 4 and cliff.reward[47] == [0.0] * 4
    maze = read("maze", "")
    assert maze.next_state[10][RIGHT] == 10  # a wall
    assert (maze.next_state[17][UP], maze.reward[17][UP]) == (8, 1.0)


def test_wind_blows_as_in_the_book():
    """Sutton & Barto 2018, example 6.5, as usually computed: rows added up, then cut off at the edges."""
    world, wind = read("windy", ""), PRESETS["windy"].wind
    for cell in range(70):
        row, column = divmod(cell, 10)
        for action, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
            to_row = min(6, max(0, row + down - wind[column]))
            to_column = min(9, max(0, column + right))
            if world.reachable[cell]:
                assert world.next_state[cell][action] == 10 * to_row + to_column, (row, column, ACTIONS[action])


def test_reinforcejs_grid_is_the_original():
    """The cells of Karpathy's gridworld_td.html: s = 10 x + y, its walls T and its rewards Rarr."""
    walls = {(q + 1) * 10 + 2 for q in range(8)} | {40 + q + 2 for q in range(6)}
    walls -= {52}
    signs = dict.fromkeys(walls, "#") | dict.fromkeys((54, 64, 65, 85, 86, 37, 33, 67, 57), "-") | {55: "G", 0: "S"}
    rows = tuple("".join(signs.get(10 * x + y, ".") for x in range(10)) for y in range(10))
    assert rows == PRESETS["reinforcejs"].rows


# -- targets, returns and traces by hand -------------------------------------------------------------------


def test_targets_by_hand():
    following = [1.0, 4.0, 2.0, -3.0]  # mean 1
    assert sarsa_target(-1.0, 0.5, following, 2) == 0.0
    assert q_learning_target(-1.0, 0.5, following) == 1.0
    assert expected_sarsa_target(-1.0, 0.5, following, 0.2) == pytest.approx(-1 + 0.5 * (0.8 * 4 + 0.2 * 1))
    assert returns([1.0, 0.0, -2.0, 3.0, 4.0], 0.5, 8.0) == [1.375, 0.75, 1.5, 7.0, 8.0]
    assert first_visits([3, 3, 5, 3, 5, 9], [0, 1, 2, 0, 3]) == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("algorithm", "new"),
    [
        ("sarsa", 2 + 0.5 * (-1 + 0.9 * 3 - 2)),  # A' = down, worth 3
        ("q_learning", 2 + 0.5 * (-1 + 0.9 * 7 - 2)),
        ("expected_sarsa", 2 + 0.5 * (-1 + 0.9 * (0.8 * 7 + 0.2 * 4) - 2)),
    ],
)
def test_one_update_by_hand(algorithm, new):
    run = build(grid="own", own_grid=CORRIDOR, algorithm=algorithm, discount=0.9, epsilon=0.2)
    run.q[0][RIGHT], run.q[1] = 2.0, [5.0, 7.0, 3.0, 1.0]
    force(run, [RIGHT], then=DOWN)
    numbers = run.frame().metrics
    assert run.q[0][RIGHT] == pytest.approx(new) == numbers["new_value"]
    assert numbers["old_value"] == 2.0
    assert numbers["step_reward"] + numbers["discounted_next"] == pytest.approx(numbers["target"])
    assert numbers["td_error"] == pytest.approx(numbers["target"] - 2.0)
    assert numbers["new_value"] == pytest.approx(2.0 + 0.5 * numbers["td_error"])
    assert run.frame().views["grid"].backup == (0, RIGHT, 1)


def lambda_returns(rewards: list[float], values: list[float], discount: float, decay: float) -> list[float]:
    """G^λ_t = R_{t+1} + γ [(1 - λ) Q_{t+1} + λ G^λ_{t+1}], Q after the end 0. Sutton & Barto 2018, eq. 12.20, 12.3."""
    found, following = [], 0.0
    for reward, value in zip(reversed(rewards), [0.0, *reversed(values[1:])], strict=True):
        following = reward + discount * ((1 - decay) * value + decay * following)
        found.append(following)
    return found[::-1]


def test_lambda_returns_by_hand():
    found = lambda_returns([1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 4.0, 6.0, 0.0, 2.0], 0.5, 0.5)
    # Backwards: 5; 4 + ¼·2 + ¼·5; 3 + ¼·0 + ¼·5.75; 2 + ¼·6 + ¼·4.4375; 1 + ¼·4 + ¼·4.609375.
    assert found == [3.15234375, 4.609375, 4.4375, 5.75, 5.0]


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_traces_hand_each_step_its_lambda_return(decay):
    """On five steps that meet no pair twice, the backward view moves each value by α (G^λ - Q), as the forward one."""
    run = build(
        grid="own", own_grid=CORRIDOR, algorithm="td_lambda", discount=0.9, trace_decay=decay, learning_rate=0.25
    )
    before = [3.0, -1.0, 2.0, 0.5, -2.0]
    for cell, value in enumerate(before):
        run.q[cell][RIGHT] = value
    force(run, [RIGHT] * 5)
    assert run.over and run.world.terminal[run.state]
    goals = lambda_returns([-1.0] * 5, before, 0.9, decay)
    expected = [value + 0.25 * (goal - value) for value, goal in zip(before, goals, strict=True)]
    assert [run.q[cell][RIGHT] for cell in range(5)] == pytest.approx(expected, rel=1e-12)


def test_a_pair_met_twice_has_a_trace_of_one():
    run = build(grid="own", own_grid=CORRIDOR, algorithm="td_lambda", discount=0.5, trace_decay=0.5)
    force(run, [UP, UP, RIGHT])
    assert run.traces[0] == [0.25**2, 0.25, 0.0, 0.0]  # after each update, everything fades by γλ = ¼
    assert run.frame().views["grid"].traces[0].tolist() == [0.25, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_fading_by_hand():
    q, traces = [[1.0] * 4, [0.0] * 4], [[1.0, 0.5, 0.0, 0.0], [0.0] * 4]
    fade_and_learn(q, traces, [0], 0.5, 4.0, 0.25)
    assert q == [[3.0, 2.0, 1.0, 1.0], [0.0] * 4]
    assert traces[0] == [0.25, 0.125, 0.0, 0.0]


def test_monte_carlo_moves_each_first_visit_by_its_return():
    run = build(grid="own", own_grid=CORRIDOR, algorithm="monte_carlo", discount=0.9, learning_rate=0.5)
    force(run, [UP, RIGHT, UP, UP, RIGHT, RIGHT, RIGHT])
    assert not any(map(any, run.q)) and "target" not in run.frame().metrics  # nothing before the end
    force(run, [RIGHT])
    goals = returns([-1.0] * 8, 0.9, 0.0)
    assert run.q[0] == pytest.approx([0.5 * goals[0], 0.5 * goals[1], 0, 0])
    assert run.q[1] == pytest.approx([0.5 * goals[2], 0.5 * goals[4], 0, 0])  # up: the first of its two visits
    numbers = run.frame().metrics
    assert (numbers["target"], numbers["new_value"]) == pytest.approx((goals[0], 0.5 * goals[0]))
    assert numbers["step_reward"] + numbers["discounted_next"] == pytest.approx(numbers["target"])


@pytest.mark.parametrize("algorithm", LEARNING)
def test_being_cut_off_is_not_having_arrived(algorithm):
    """The tenth step is the last; its target still looks at what would have followed."""
    run = build(
        grid="own", own_grid="cliff:S...........G", algorithm=algorithm, discount=0.5, step_limit=10, epsilon=0.0
    )
    run.q[10] = [8.0] * 4
    force(run, [RIGHT] * 10)
    assert run.over and not run.world.terminal[run.state] and run.episodes == 1
    numbers = run.frame().metrics
    tail = returns([-1.0] * 10, 0.5, 8.0)[0] if algorithm == "monte_carlo" else -1 + 0.5 * 8.0
    assert numbers["target"] == pytest.approx(tail)
    run.advance()
    assert run.state != 10  # the next episode began at the start
    arrived = build(grid="own", own_grid="cliff:S.........G", algorithm=algorithm, discount=0.5, step_limit=10)
    force(arrived, [RIGHT] * 10)
    last = returns([-1.0] * 10, 0.5, 0.0)[0] if algorithm == "monte_carlo" else -1.0
    assert arrived.frame().metrics["target"] == pytest.approx(last)


# -- planning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", PLANNING)
@pytest.mark.parametrize("name", PRESETS)
def test_plans_solve_the_bellman_equations(name, algorithm):
    """V = (I - γ P)⁻¹ R for the policy found, by linear algebra; and no policy can be better."""
    discount = DISCOUNTS[name]
    run = advance(build(grid=name, algorithm=algorithm, discount=discount), 1000)
    world, policy = run.world, greedy_policy(look_ahead(run.world, run.values, discount))
    count = len(world.terminal)
    into = np.zeros((count, count))
    for action in range(4):
        np.add.at(into, (np.arange(count), world.next_states[:, action]), policy[:, action])
    inside = np.array(world.reachable)  # elsewhere nothing is earned
    system = np.eye(inside.sum()) - discount * into[np.ix_(inside, inside)]
    solved = np.linalg.solve(system, (policy * world.rewards).sum(axis=1)[inside])
    assert run.values[inside] == pytest.approx(solved, abs=1e-5)
    assert run.values == pytest.approx(bellman_optimality(look_ahead(world, run.values, discount)), abs=1e-5)
    assert run.frame().metrics["greedy_return"] == pytest.approx(run.optimal_return)


def test_policy_evaluation_is_the_random_walks_linear_solve():
    """Before its first improvement, policy iteration evaluates the policy of equal chances."""
    world = read("maze", "")
    policy, values = np.full((54, 4), 0.25), np.zeros(54)
    for _ in range(2000):
        values = bellman_expectation(look_ahead(world, values, 0.95), policy)
    into = np.zeros((54, 54))
    for action in range(4):
        np.add.at(into, (np.arange(54), world.next_states[:, action]), 0.25)
    assert values == pytest.approx(np.linalg.solve(np.eye(54) - 0.95 * into, world.rewards.mean(axis=1)), abs=1e-9)


def test_a_sweep_shows_its_numbers():
    run = advance(build(grid="maze", algorithm="value_iteration"), 40)
    numbers = run.frame().metrics
    assert numbers["step_reward"] + numbers["discounted_next"] == numbers["target"] == numbers["new_value"]
    assert numbers["target"] in run.values
    run = advance(build(grid="maze", algorithm="policy_iteration"), 1)
    assert run.frame().metrics["target"] == pytest.approx(run.values[run.world.start])


@pytest.mark.parametrize("algorithm", PLANNING)
@pytest.mark.parametrize(
    "own",
    [
        "two_goals:S.+.G",  # a reward to collect for ever
        "windy:..#.#./S.G.../......",  # blown into a corner that no way leads out of
    ],
)
def test_values_without_end_are_stopped_with_a_sentence(own, algorithm):
    run = build(grid="own", own_grid=own, algorithm=algorithm, discount=1.0)
    with pytest.raises(Plain) as stop:
        advance(run, 1000)
    assert stop.value.code == "values_endless"
    assert "γ = 1" in str(stop.value)
    frame = run.frame()
    assert np.isfinite(list(frame.metrics.values())).all()
    assert "optimal_return" not in frame.metrics
    tamed = build(grid="own", own_grid=own, algorithm=algorithm, discount=0.95)
    advance(tamed, 1000)
    assert tamed.frame().metrics["greedy_return"] <= tamed.optimal_return + 1e-6


# -- learning ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", PRESETS)
def test_q_learning_finds_the_optimal_policy(name, seed):
    """Wherever its way leads: each greedy action is one that value iteration finds as good as any."""
    discount = DISCOUNTS[name]
    curious = 0.9 if name == "two_goals" else 0.5  # a step in ten at random never gets past the small goal
    run = advance(build(seed, grid=name, algorithm="q_learning", discount=discount, epsilon=curious), 40_000)
    world, values = run.world, optimal_values(run.world, discount)
    assert values is not None and run.optimal_return == values[world.start]
    true, known = look_ahead(world, values, discount), run.action_values()
    state = world.start
    for _ in range(200):
        best = int(known[state].argmax())
        assert true[state, best] == pytest.approx(values[state], abs=1e-9)
        state = world.next_state[state][best]
        if world.terminal[state]:
            break
    assert world.terminal[state]
    assert run.frame().metrics["greedy_return"] == pytest.approx(run.optimal_return)


@pytest.mark.parametrize("seed", range(3))
def test_cliff_walk_is_that_of_the_book(seed):
    """Sutton & Barto 2018, figure 6.4 (α = 0.5, ε = 0.1, γ = 1): SARSA earns more, Q-learning's way is better."""
    online, greedily, edge = {}, {}, {}
    for algorithm in ("sarsa", "q_learning"):
        run, earned = build(seed, grid="cliff", algorithm=algorithm, discount=1.0), []
        while run.episodes < 500:
            run.advance()
            if run.over:
                earned.append(run.episode_return)
        online[algorithm] = np.mean(earned[200:])
        run.on_knob("learning_rate", 0.1)  # a steady policy, not that of the last fall
        advance(run, 20_000)
        greedily[algorithm] = run.frame().metrics["greedy_return"]
        edge[algorithm] = sum(run.visits[25:35]) / sum(run.visits)
    assert online["sarsa"] > online["q_learning"] + 5
    assert greedily["q_learning"] == -13 > greedily["sarsa"] >= -17
    assert edge["q_learning"] > 2 * edge["sarsa"]


@pytest.mark.parametrize("algorithm", LEARNING)
def test_every_learner_learns_a_way(algorithm):
    run = advance(build(1, grid="own", own_grid="cliff:S..#/..../.#.G", algorithm=algorithm, discount=1.0), 20_000)
    assert run.frame().metrics["greedy_return"] == run.optimal_return == -5
    assert run.episodes > 1000


def test_what_the_challenges_say():
    run = build(grid="maze")
    while not run.episodes:
        run.advance()
    assert sum(value != 0 for row in run.q for value in row) == 1
    for discount, goal in ((0.5, 24), (0.7, 35)):
        run = advance(build(grid="two_goals", algorithm="value_iteration", discount=discount), 100)
        while not (run.over and run.world.terminal[run.state]):
            run.advance()
        assert run.state == goal
    run = advance(build(grid="two_goals", algorithm="value_iteration", discount=1.0), 100)
    inside = np.array(run.world.reachable)
    assert (run.values[inside] == 10).all()
    ways = run.frame().views["grid"].policy.reshape(-1, 4)[inside]
    assert (ways.min(axis=1) > 0).sum() == len(ways) - 3  # the three cells about the small goal avoid it
    shy = advance(build(grid="cliff", discount=1.0, epsilon=0.0), 10_000)
    assert shy.frame().metrics["greedy_return"] == -13
    wild = advance(build(grid="cliff", discount=1.0, epsilon=1.0), 100_000)
    assert wild.frame().metrics["greedy_return"] == -13


# -- the person --------------------------------------------------------------------------------------------


def test_a_person_walks_beside_the_agent():
    run = build(grid="cliff", discount=1.0)
    for direction in ("up", *["right"] * 11, "down"):
        run.on_event({"kind": "move", "view": "grid", "direction": direction})
    frame = run.frame()
    assert frame.views["grid"].pieces == {"agent": 36, "person": 47}
    assert frame.metrics["person_return"] == -13 == frame.views["returns"].levels["person"]
    run.on_event({"kind": "move", "view": "grid", "direction": "right"})  # begins again, and falls
    assert (run.person, run.person_return, run.person_finished) == (36, -100, -13)
    run = build(grid="maze", discount=0.5)
    run.on_event({"kind": "move", "view": "grid", "direction": "up"})
    assert (run.person, run.person_return) == (9, 0.0)


def test_painting_keeps_what_was_learned_and_outlives_a_reset_and_a_link(tmp_path):
    run = Run(Gridworld, {"grid": "windy", "discount": 1.0}, 3)
    for _ in range(3000):
        run.advance()
    known = [list(row) for row in run.experiment.q]
    run.send({"kind": "paint", "view": "grid", "cell": 5, "brush": "wall"})
    run.send({"kind": "paint", "view": "grid", "cell": 60, "brush": "start"})
    assert run.values["grid"] == "own"
    assert run.values["own_grid"].startswith("windy:.....#....")
    assert [row for cell, row in enumerate(run.experiment.q) if cell != 5] == [r for c, r in enumerate(known) if c != 5]
    assert run.experiment.q[5] == [0.0] * 4
    assert run.experiment.world.start == run.experiment.state == run.experiment.person == 60
    assert run.experiment.world.wind == PRESETS["windy"].wind
    again = run.again({}, 3)
    assert np.array_equal(again.experiment.world.kinds, run.experiment.world.kinds)
    linked = Run(Gridworld, run.values, 3)  # all that an address holds
    for _ in range(50):
        again.advance()
        linked.advance()
    assert differences(again.frame(), linked.frame()) == []
    run.save(tmp_path / "checkpoint")
    back = Run.load(Gridworld, tmp_path / "checkpoint")
    for each in (run, back):
        for _ in range(50):
            each.advance()
    assert encode(run.frame()) == encode(back.frame())
    assert np.array_equal(run.again({"grid": "windy"}, 3).experiment.world.kinds, read("windy", "").kinds)


def test_painting_in_slow_motion_drops_the_step_that_had_begun():
    run = build(grid="maze")
    run.advance_phase()
    run.advance_phase()
    brush(run, 19, "wall")
    assert run.phase_index == 0 and run.trail == [18]
    advance(run, 100)


@pytest.mark.parametrize(
    ("cell", "kind", "code"),
    [
        (8, "wall", "grid_goal"),  # the only goal
        (18, "wall", "grid_start"),  # the start
        (17, "wall", None),
        (-1, "wall", "event_unknown"),
        (54, "wall", "event_unknown"),
        (True, "wall", "event_unknown"),
        (3, "lava", "event_unknown"),
        (3, ["wall"], "event_unknown"),
        (None, "wall", "event_unknown"),
    ],
)
def test_a_brush_that_makes_no_sense_is_refused_and_nothing_is_lost(cell, kind, code):
    run = advance(build(grid="maze"), 500)
    for closing in (16, 25) if code is None else ():
        brush(run, closing, "wall")
    before = encode(run.frame())
    with pytest.raises(Plain) as refusal:
        brush(run, cell, kind)
    assert refusal.value.code == (code or "grid_closed")  # the third wall would close the goal in
    assert encode(run.frame()) == before
    advance(run, 10)


@pytest.mark.parametrize("direction", ["north", None, 3, ["up"]])
def test_a_direction_that_is_none_is_refused(direction):
    with pytest.raises(Plain) as refusal:
        build().on_event({"kind": "move", "view": "grid", "direction": direction})
    assert refusal.value.code == "event_unknown"


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ("maze:######/######", "grid_start"),  # all walls
        ("maze:S...../......", "grid_goal"),
        ("maze:S.#G/..##", "grid_closed"),
        ("maze:S.S/..G", "grid_start"),
        ("maze:S../.G", "grid_shape"),
        ("maze:" + "/".join(["S" + "." * 15 + "G"]), "grid_shape"),
        ("maze:" + "/".join(["SG"] * 13), "grid_shape"),
        ("maze:", "grid_shape"),
        ("maze:S.x/..G", "grid_sign"),
        ("S../..G", "grid_rules"),
        ("lake:S../..G", "grid_rules"),
        ("own:S../..G", "grid_rules"),
    ],
)
def test_a_grid_that_cannot_be_played_is_refused_with_a_sentence(own, code):
    with pytest.raises(Plain) as refusal:
        build(grid="own", own_grid=own)
    assert refusal.value.code == code
    assert "{" not in str(refusal.value)


def test_every_brush_paints_and_a_blank_grid_can_be_painted():
    assert len(SIGNS) == len(KINDS)
    text = ""
    for cell, kind in enumerate(KINDS):
        text = painted("own", text, cell + 1, kind)
    assert read("own", text).kinds[0, 1:9].tolist() == list(range(8))
    assert read("own", text).preset.rewards == PRESETS["cliff"].rewards
    assert np.array_equal(read("own", "").kinds, read("own", BLANK).kinds)


# -- the run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", (*PLANNING, *LEARNING))
def test_two_copies_with_one_seed_roll_out_the_same(algorithm, tmp_path):
    one, other = (Run(Gridworld, {"algorithm": algorithm, "step_limit": 50}, 7) for _ in range(2))
    for step in range(120):
        one.advance()
        other.advance()
        if step == 60:
            other.frame()
            other.save(tmp_path / "checkpoint")
            other = Run.load(Gridworld, tmp_path / "checkpoint")
    assert one.experiment.trail == other.experiment.trail
    assert differences(one.frame(), other.frame()) == []
    apart = Run(Gridworld, {"algorithm": algorithm, "step_limit": 50}, 8)
    for _ in range(120):
        apart.advance()
    assert apart.experiment.trail != one.experiment.trail


def test_each_phase_brings_forth_a_number():
    run = advance(build(grid="cliff"), 5)
    known: Mapping[str, Any]
    for phase, fresh, hidden in (
        ("act", {"old_value"}, {"step_reward", "target", "new_value"}),
        ("observe", {"old_value", "step_reward"}, {"target", "new_value"}),
        ("target", {"step_reward", "discounted_next", "target", "td_error"}, {"new_value"}),
        ("update", {"new_value"}, set()),
    ):
        assert run.advance_phase() == phase
        known = run.frame().metrics
        assert fresh <= known.keys() and not hidden & known.keys(), phase


def test_live_knobs_move_the_running_run():
    run = advance(build(grid="maze"), 100)
    best = run.optimal_return
    run.on_knob("discount", 0.5)
    assert run.optimal_return == pytest.approx(0.5**13) != best
    assert run.frame().views["returns"].levels["optimal"] == run.optimal_return
    run.on_knob("epsilon", 1.0)
    advance(run, 100)
