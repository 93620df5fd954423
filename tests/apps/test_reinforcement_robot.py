"""The robots: physics and drawing are the simulator's own, a hand pulls as it says, agents are what their cards say."""

import shutil
import sys
import tomllib
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from apps.reinforcement.agent import Agent
from apps.reinforcement.bodies import GRAVITY, LONGEST_HOLD, LOOKS, Body
from apps.reinforcement.environments import ROBOTS
from apps.reinforcement.experts import LEVELS, expert, weights_name
from apps.reinforcement.robot import TICK, Robot
from shared.live.experiment import Plain
from shared.live.run import Run
from shared.models import shipped
from shared.models.catalog import WEIGHTS, catalog, read_cards
from tests.shared.watching import differences

SHIPPED = [robot for robot in ROBOTS if (WEIGHTS / f"{weights_name(robot)}.safetensors").exists()]
BARS = {"HalfCheetah": 3000.0, "Reacher": -6.0, "InvertedPendulum": 900.0}
FRESH = {"checkpoint": "none"}


def after(steps: int, seed: int = 0, **values: object) -> Run:
    run = Run(Robot, values, seed)
    for _ in range(steps):
        run.advance()
    return run


def refused(run: Run, event: dict[str, object]) -> str:
    with pytest.raises(Plain) as refusal:
        run.send(event)
    return refusal.value.code


def by_lot(body: Body) -> np.ndarray:
    return np.random.default_rng(body.decisions).uniform(-1, 1, body.world.amounts).astype(np.float32)


# -- the physics is Gymnasium's ----------------------------------------------------------------------------


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_robot_moves_as_in_gymnasium(robot):
    """The same start and actions: the same observations and rewards to the last bit, however often it is looked at."""
    body, env = Body(robot, 5), gymnasium.make(ROBOTS[robot].id)
    np.testing.assert_allclose(env.reset(seed=5)[0], body.observation * body.scale, rtol=1e-6)
    total = 0.0
    for _ in range(60):
        action = by_lot(body)
        body.decide(action)
        body.sketch()
        observation, reward, terminated, *_ = env.step(body.bound * action)
        total += reward
        np.testing.assert_allclose(body.observation, observation / body.scale, rtol=1e-6)
        assert body.so_far == pytest.approx(total, rel=1e-12)
        if terminated:
            break


@pytest.mark.parametrize("robot", ROBOTS)
def test_time_passes_evenly(robot):
    """So many ticks are so many seconds of the robot's, and it decides as often as Gymnasium says."""
    body, decided = Body(robot), 0

    def still(_: np.ndarray) -> np.ndarray:
        nonlocal decided
        decided += 1
        return np.zeros(body.world.amounts, np.float32)

    for _ in range(20):
        body.pass_time(TICK, still)
    assert body.clock == pytest.approx(20 * TICK)
    assert decided == int(np.ceil(20 * TICK / body.env.dt - 1e-9))
    assert body.poses[0].time <= body.clock <= body.poses[-1].time


def test_what_is_drawn_is_the_simulators_geometry():
    """The torso's capsule: its axis and its thickness, where and as MuJoCo has it; one shape a piece of the robot."""
    body = Body("HalfCheetah")
    for _ in range(7):
        body.decide(by_lot(body))
    body.clock = body.data.time  # the last pose
    sketch = body.sketch()
    first = [sketch.names[kind] for kind in sketch.kinds].index("torso")
    ends = sketch.points[sketch.ends[first] - 2 : sketch.ends[first]]
    axis = body.data.geom("torso").xmat.reshape(3, 3)[:, 2] * body.model.geom("torso").size[1]
    place = body.data.geom("torso").xpos
    np.testing.assert_allclose(ends, np.stack([place - axis, place + axis])[:, [0, 2]], atol=1e-5)
    assert sketch.widths[first] == pytest.approx(2 * body.model.geom("torso").size[0])
    drawn = [sketch.names[kind] for kind in sketch.kinds]
    assert (
        sum(kind in LOOKS["HalfCheetah"].kinds.values() for kind in drawn) == body.model.ngeom - 1
    )  # all but the floor


def test_the_ground_carries_a_robot_that_stands():
    """At rest the contact forces, drawn and counted, add up to the weight, and point upwards."""
    body = Body("HalfCheetah")
    for _ in range(100):
        body.decide(np.zeros(6, np.float32))
    forces = body.poses[-1].contacts[:, 3:].sum(axis=0)
    assert forces[2] == pytest.approx(body.weight, rel=0.05)
    assert body.weight == pytest.approx(14.0 * GRAVITY, rel=1e-6)
    body.clock = body.data.time
    sketch = body.sketch()
    arrows = [i for i, kind in enumerate(sketch.kinds) if sketch.names[kind] == "contact"]
    assert arrows and sketch.values[arrows[0]] > 0
    tail, neck = sketch.points[sketch.ends[arrows[0]] - 2 : sketch.ends[arrows[0]]]
    assert neck[1] > tail[1]


# -- a hand ------------------------------------------------------------------------------------------------


def test_a_pull_moves_the_robot_and_is_drawn():
    """Upwards with three weights it leaves the ground; the arrow says with how many newtons; let go, it is gone."""
    run = after(10, checkpoint="none", hand=3.0)
    run.send({"kind": "pull", "start": [0.0, 0.0], "hand": [0.0, 5.0]})
    for _ in range(20):
        run.advance()
    frame = run.frame()
    weight = run.experiment.body.weight
    assert frame.metrics["hand_force"] == pytest.approx(3 * weight, rel=0.01)
    assert "hand" in frame.views["play"].names
    assert run.experiment.body.data.body("torso").xpos[2] > 0.9
    run.send({"kind": "drop"})
    for _ in range(10):
        run.advance()
    assert run.frame().metrics["hand_force"] == 0 and "hand" not in run.frame().views["play"].names


def test_an_experts_robot_runs_on_after_a_push():
    run = after(180)
    before = run.experiment.body.data.body("torso").xpos[0]
    run.send({"kind": "pull", "start": [-0.3, 0.0], "hand": [-1.5, 0.3]})
    for _ in range(30):
        run.advance()
    run.send({"kind": "drop"})
    for _ in range(240):
        run.advance()
    body = run.experiment.body
    assert body.data.body("torso").xpos[0] - before > 8.0  # metres in some four seconds
    assert body.touched


def test_a_touched_episode_does_not_count_and_its_clock_stands():
    run = after(5, robot="Reacher", checkpoint="none")
    run.send({"kind": "pull", "start": [0, 0], "hand": [0.1, 0.1]})
    held = run.experiment.body.decisions
    for _ in range(200):  # more than three episodes long
        run.advance()
    assert run.experiment.body.decisions == held and run.experiment.episodes == 0
    run.send({"kind": "drop"})
    for _ in range(70):
        run.advance()
    assert run.experiment.episodes == 0 and not run.experiment.body.touched  # that one is over, uncounted
    for _ in range(70):
        run.advance()
    assert run.experiment.episodes == 1


def test_a_hand_tires():
    run = after(1, robot="InvertedPendulum", **FRESH, hand=0.05)
    run.send({"kind": "pull", "start": [0, 0], "hand": [0.1, 0.1]})
    run.experiment.body.grip[6] = run.experiment.body.data.time + 0.1
    assert LONGEST_HOLD == 10.0
    for _ in range(12):
        run.advance()
    assert run.experiment.body.grip == []


def test_the_target_follows_the_hand_and_never_leaves_its_reach():
    run = after(1, robot="Reacher", **FRESH)
    run.send({"kind": "pull", "start": [0, 0], "hand": [0.05, -0.08]})
    run.advance()
    run.advance()
    np.testing.assert_allclose(run.experiment.body.data.qpos[2:], [0.05, -0.08], atol=1e-6)
    run.send({"kind": "pull", "start": [0, 0], "hand": [3.0, 4.0]})
    for _ in range(3):
        run.advance()
    np.testing.assert_allclose(run.experiment.body.data.qpos[2:], [0.12, 0.16], atol=1e-6)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"kind": "pull", "start": [0, 0], "hand": [1e9, 0]}, "hand_far"),
        ({"kind": "pull", "start": [0, float("nan")], "hand": [0, 0]}, "hand_far"),
        ({"kind": "pull", "start": [0, 0]}, "hand_form"),
        ({"kind": "pull", "start": [0, 0], "hand": "up"}, "hand_form"),
        ({"kind": "pull", "start": [0, 0, 0], "hand": [0, 0]}, "hand_form"),
        ({"kind": "kick"}, "event_unknown"),
    ],
    ids=str,
)
def test_a_silly_push_is_refused_and_the_robot_is_left_alone(event, code):
    run = after(2, **FRESH)
    assert refused(run, event) == code
    assert run.experiment.body.grip == [] and not run.experiment.body.touched
    run.advance()
    run.send({"kind": "drop"})  # of nothing: nothing


def test_gravity_is_the_stages_alone():
    """On the moon the cheetah comes down later; the worlds that it learns in stay on the earth."""
    heights = {}
    for gravity in (0.17, 1.0):
        run = after(0, **FRESH, gravity=gravity)
        run.experiment.body.data.qpos[1] += 1.0
        for _ in range(20):
            run.advance()
        heights[gravity] = run.experiment.body.data.body("torso").xpos[2]
        assert run.experiment.environments.copies[0].model.opt.gravity[2] == -9.81
    assert heights[0.17] > heights[1.0] + 0.3
    run.set_knob("gravity", 0.0)
    assert np.all(run.experiment.body.model.opt.gravity == 0)


# -- the run -----------------------------------------------------------------------------------------------

EVERY = [
    {"robot": "HalfCheetah"},
    {"robot": "InvertedPendulum", "checkpoint": "none", "train": True, "steps_a_picture": 20},
    {"robot": "Hopper", "checkpoint": "none", "train": True, "algorithm": "ppo", "steps_a_picture": 64},
    {"robot": "Reacher", "checkpoint": "none", "train": True, "algorithm": "ddpg", "temperature": 1.0},
]


@pytest.mark.parametrize("values", EVERY, ids=str)
def test_a_run_goes_on_from_its_checkpoint(values, tmp_path: Path):
    """In the middle of an episode, of a decision and of a pull."""
    run = after(70, 3, **values)
    run.send({"kind": "pull", "start": [0.01, 0.0], "hand": [0.1, 0.1]})
    run.advance()
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(Robot, tmp_path / "some.checkpoint")
    for _ in range(20):
        assert differences(copy.frame(), run.frame()) == []
        run.advance()
        copy.advance()
    assert differences(copy.frame(), run.frame()) == []


@pytest.mark.parametrize("values", EVERY[1:], ids=str)
def test_two_runs_with_one_seed_are_one(values):
    one, other, third = (after(40, seed, **values).frame() for seed in (4, 4, 5))
    assert differences(one, other) == []
    assert differences(one, third) != []


def test_the_stage_changes_nothing_of_what_is_learned():
    """Pulled at or not, slow or quick: the same weights in the end."""
    values = {"robot": "InvertedPendulum", **FRESH, "train": True, "steps_a_picture": 25}
    quiet, pulled = after(50, **values), after(0, **values, playback=0.3, hand=2.0)
    pulled.send({"kind": "pull", "start": [0, 0], "hand": [0.5, 0]})
    for _ in range(50):
        pulled.advance()
    agents: list[Agent] = [run.experiment.agent for run in (quiet, pulled)]
    for a, b in zip(*(agent.acting.weights() for agent in agents), strict=True):
        np.testing.assert_array_equal(a, b)


def test_several_motors_take_several_numbers():
    """Every algorithm: an action has a number for each motor, and each is used."""
    for algorithm in ("td3", "ddpg", "ppo"):
        run = after(3, checkpoint="none", algorithm=algorithm, train=True, steps_a_picture=40)
        agent = run.experiment.agent
        assert agent.act(run.experiment.environments.observations[agent.turns()]).shape == (agent.copies, 6)
        assert len(run.frame().views["actions"].values) == len(LOOKS["HalfCheetah"].motors) == 6


# -- shipped agents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("robot", SHIPPED)
def test_levels_go_from_clueless_to_expert(robot):
    """Four moments of one training, each better than the one before, and the diary they are taken from."""
    found = expert(robot)
    assert [found.steps[level] for level in LEVELS] == sorted({found.steps[level] for level in LEVELS})
    assert [found.scores[level] for level in LEVELS] == sorted(found.scores[level] for level in LEVELS)
    assert found.steps["clueless"] == 0 and set(found.steps.values()) <= set(found.diary[:, 0].astype(int))
    assert found.scores["expert"] >= BARS.get(robot, 0.0)
    card = tomllib.loads((WEIGHTS / f"{weights_name(robot)}.card.toml").read_text(encoding="utf-8"))
    assert all(f"{level} after {found.steps[level]:,} steps" in card["how"] for level in LEVELS)
    assert all(f"{found.scores[level]:.2f} ±" in card["how"] for level in LEVELS)


@pytest.mark.parametrize("robot", ["Reacher", "InvertedPendulum"])
def test_an_expert_on_the_stage_earns_what_its_card_says(robot):
    """Whole episodes, as the command line plays them."""
    run, wanted = Run(Robot, {"robot": robot, "playback": 4.0}, 0), 20 if robot == "Reacher" else 1
    while run.experiment.episodes < wanted:
        run.advance()
    metrics = run.frame().metrics
    assert metrics["return_mean_20"] >= BARS[robot]
    assert metrics["decisions_per_second"] > 100 and metrics["episodes"] == wanted


def test_the_cheetahs_expert_runs_three_thousand():
    run = Run(Robot, {"playback": 4.0}, 0)
    while run.experiment.episodes < 20:
        run.advance()
    assert run.frame().metrics["return_mean_20"] >= 3000


def test_another_checkpoint_takes_over_in_mid_run():
    run = after(60)
    x = run.experiment.body.data.body("torso").xpos[0]
    run.set_knob("checkpoint", "clueless")
    assert run.experiment.body.data.body("torso").xpos[0] == x
    steps = expert("HalfCheetah").steps
    assert run.frame().views["returns"].series["this_checkpoint"][0, 0] == steps["clueless"] == 0
    run.set_knob("checkpoint", "expert")
    assert run.frame().views["returns"].series["this_checkpoint"][0, 0] == steps["expert"]
    assert run.frame().views["returns"].levels == {"its_mean": expert("HalfCheetah").scores["expert"]}


def test_an_expert_learns_on_from_what_it_can_do():
    """Nothing is tried by lot, and the first critics are its own."""
    run = after(3, train=True, steps_a_picture=50)
    agent = run.experiment.agent
    earned = agent.replay.rewards[60:150].mean() / agent.world.reward_scale
    assert earned > 2.0  # it runs from the first step on
    assert run.frame().metrics["env_steps"] == 150


@pytest.mark.parametrize("algorithm", ["ppo", "ddpg"])
def test_a_checkpoint_says_whose_networks_it_has(algorithm):
    with pytest.raises(Plain) as refusal:
        Run(Robot, {"algorithm": algorithm}, 0)
    assert refusal.value.code == "checkpoint_algorithm" and "TD3" in str(refusal.value)
    run = after(0, checkpoint="none", algorithm=algorithm)
    agent = run.experiment.agent
    with pytest.raises(Plain):
        run.set_knob("checkpoint", "expert")
    assert run.experiment.config.checkpoint == "none" and run.experiment.agent is agent


def test_a_damaged_file_is_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    name = weights_name("HalfCheetah")
    content = (WEIGHTS / f"{name}.safetensors").read_bytes()
    shutil.copy(WEIGHTS / f"{name}.card.toml", tmp_path)
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    for broken in (content[: len(content) // 2], b"\xff" * 100, b"", content[:-2000] + b"\xff\x7f" * 1000):
        (tmp_path / f"{name}.safetensors").write_bytes(broken)
        with pytest.raises(Plain) as refusal:
            Run(Robot, {}, 0)
        assert refusal.value.code == "weights_damaged" and name in str(refusal.value)
        assert name in read_cards(tmp_path)  # the list of models is still there
        after(2, **FRESH)
    (tmp_path / f"{name}.safetensors").unlink()
    with pytest.raises(Plain) as refusal:
        Run(Robot, {}, 0)
    assert refusal.value.code == "checkpoint_missing"


def test_another_robots_file_is_named(tmp_path, monkeypatch):
    shutil.copy(WEIGHTS / f"{weights_name('Reacher')}.safetensors", tmp_path / f"{weights_name('Hopper')}.safetensors")
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    with pytest.raises(Plain) as refusal:
        Run(Robot, {"robot": "Hopper"}, 0)
    assert refusal.value.code == "weights_of_another" and "Reacher" in str(refusal.value)


def test_without_the_native_library_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)  # what an import of a package that is not there does
    with pytest.raises(Plain) as refusal:
        Run(Robot, FRESH, 0)
    assert refusal.value.code == "environment_missing" and "gymnasium[mujoco]" in str(refusal.value)


def test_the_catalog_lists_every_robots_weights():
    for robot in SHIPPED:
        model = catalog()[weights_name(robot)]
        assert model.pages == ("reinforcement",) and model.parameters > 1000


# -- it must learn -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "bar"), [("td3", 40_000), ("ppo", 100_000)])
def test_three_of_five_seeds_keep_the_pole_up(algorithm, bar):
    """900 by the evaluation, within as many steps as 90 seconds are good for."""
    reached = 0
    for seed in range(5):
        values = {"robot": "InvertedPendulum", **FRESH, "train": True, "algorithm": algorithm, "evaluate_every": 2000}
        run = Run(Robot, values, seed)
        while run.experiment.env_steps < bar and (run.experiment.evaluation or 0) < 900:
            run.advance()
        reached += (run.experiment.evaluation or 0) >= 900
    assert reached >= 3


def test_ppo_balances_within_seconds():
    values = {"robot": "InvertedPendulum", **FRESH, "train": True, "algorithm": "ppo", "evaluate_every": 2000}
    run = Run(Robot, values | {"steps_a_picture": 64}, 1)
    while run.experiment.env_steps < 12_000 and (run.experiment.evaluation or 0) < 300:
        run.advance()
    assert run.experiment.evaluation >= 300
