"""Atari: the console and the native copies are one game; what the agent computes; what a person may do; bad input."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from apps.reinforcement import atari_dqn, atari_games, saliency
from apps.reinforcement.atari import Atari, action_for
from apps.reinforcement.atari_agent import (
    CHECKPOINTS,
    PixelNetwork,
    PixelPPO,
    Settings,
    patches,
    patches_of,
    trained,
)
from apps.reinforcement.atari_dqn import PictureReplay, PixelDQN
from apps.reinforcement.atari_games import PLAYABLE, Console, Games, background
from apps.reinforcement.atari_training import AtariTraining
from assets.build.atari import scores
from shared.data.learning_curves import learning_curve
from shared.live.engine import Engine
from shared.live.experiment import Plain
from shared.live.run import Run
from shared.models import shipped
from tests.shared.watching import Person, differences, until

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted({path.name.split("_")[1] for path in (ROOT / "assets" / "weights").glob("atari_*_expert.safetensors")})
ALL = ("noop", "fire", "up", "right", "left", "down", "upright", "upleft", "downright", "downleft", "upfire",
       "rightfire", "leftfire", "downfire", "uprightfire", "upleftfire", "downrightfire", "downleftfire")  # fmt: skip


def after(steps: int, seed: int = 0, **values: object) -> Run:
    run = Run(Atari, values, seed)
    for _ in range(steps):
        run.advance()
    return run


# -- the console -------------------------------------------------------------------------------------------


def test_every_game_of_the_wheel_that_one_can_play_is_there():
    ale = atari_games.ale_py
    assert list(PLAYABLE) == [
        game
        for game in sorted(ale.roms.get_all_rom_ids())
        if ale.ALEInterface.isSupportedROM(ale.roms.get_rom_path(game))
    ]
    assert len(PLAYABLE) == 104


@pytest.mark.parametrize("game", ["pong", "breakout", "freeway", "air_raid"])
def test_a_console_is_the_very_game_that_an_agent_learns_from(game):
    """Frame by frame in Python or in native code: the same rewards and pictures, but for a grey or so of rounding."""
    console, games = Console(game), Games(game, 1, sticky=0.0)
    games.begin(0)
    draw = np.random.default_rng(0)
    for _ in range(120):
        action = int(draw.integers(games.actions))
        earned = sum(console.frame(action, 0.0) for _ in range(4))
        console.look()
        assert games.step(np.array([action])).rewards[0] == earned
        apart = np.abs(console.seen.astype(int) - games.observations[0])
        assert apart.max() <= 1 and (apart > 0).mean() < 1e-3
    assert console.names == games.names


def test_a_pixel_of_the_small_picture_is_the_mean_of_what_lies_under_it():
    line = atari_games.shares(210)
    assert torch.allclose(line.sum(dim=1), torch.ones(84), atol=1e-6)
    assert line[0, :4].tolist() == pytest.approx([0.4, 0.4, 0.2, 0.0])  # 2.5 pixels each


@pytest.mark.parametrize(("sticky", "least", "most"), [(0.0, 0, 0), (0.25, 180, 320), (1.0, 1000, 1000)])
def test_a_sticky_console_keeps_the_last_press_so_often(sticky, least, most):
    np.random.seed(0)
    console = Console("pong")
    kept = 0
    for i in range(1000):
        console.frame(1 + i % 2, sticky)
        kept += console.last != 1 + i % 2
    assert least <= kept <= most


def test_a_game_that_is_over_begins_again_and_is_counted():
    run = after(0, game="breakout", player="random")
    while not run.experiment.episodes:
        run.advance()
    earned = run.experiment.score
    run.advance()
    metrics = run.frame().metrics
    assert (metrics["episodes"], metrics["episode_return"]) == (1, earned)
    assert metrics["lives"] == 5 and metrics["game_seconds"] == pytest.approx(4 / 60)


# -- a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{"player": "random"}, {"player": "agent", "saliency": "gradient"}], ids=str)
def test_a_run_goes_on_from_its_checkpoint(values, tmp_path: Path):
    """In the middle of a game, to the last bit, the screen included."""
    run = after(150, 3, **values)
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(Atari, tmp_path / "some.checkpoint")
    for _ in range(40):
        assert differences(copy.frame(), run.frame()) == []
        run.advance()
        copy.advance()
    assert differences(copy.frame(), run.frame()) == []


def test_two_runs_with_one_seed_are_one_frame_by_frame_or_not():
    one, other, third = after(120, 4), after(0, 4), after(120, 5)
    for _ in range(4 * 120):
        other.advance_phase()
        other.frame()
    assert differences(one.frame(), other.frame()) == ["phase"]
    assert differences(one.frame(), third.frame()) != []


def test_four_frames_are_a_decision_and_the_action_stays_pressed():
    run = after(60, sticky=False)
    pressed = []
    for phase in Atari.phases:
        assert run.step_count == 60
        run.advance_phase()
        assert run.phase == phase
        pressed.append(run.experiment.console.last)
    assert run.step_count == 61 and len(set(pressed)) == 1


def test_temperature_0_takes_the_likeliest_and_a_high_one_takes_all():
    run = after(30, temperature=0.0, sticky=False)
    for _ in range(20):
        run.advance()
        assert run.experiment.action == run.frame().views["actions"].values.argmax()
    run.set_knob("temperature", 3.0)
    taken = {(run.advance(), run.experiment.action)[1] for _ in range(100)}
    assert taken == set(range(6))


def test_another_checkpoint_goes_on_in_the_same_game():
    run = after(40, checkpoint="clueless")
    before = run.frame()
    run.set_knob("checkpoint", "expert")
    after_it = run.frame()
    assert before.metrics["score"] == after_it.metrics["score"] and run.step_count == 40
    run.advance()
    expert = trained("pong", "expert", 6)[0]
    logits, value = expert(patches(run.experiment.looked[None]))
    assert run.frame().metrics["value"] == pytest.approx(float(value), abs=1e-6)
    assert after_it.metrics["shipped_score"] > before.metrics["shipped_score"]  # from the files
    np.testing.assert_allclose(run.frame().views["actions"].values, F.softmax(logits[0], dim=0), atol=1e-6)


def test_the_command_line_says_returns_and_speed():
    command = [
        sys.executable,
        "-m",
        "shared.live",
        "run",
        "reinforcement/atari",
        "--steps",
        "3",
        "--every",
        "3",
        "--jsonl",
    ]
    command += ["--set", "game=pong", "--set", "player=agent", "--set", "checkpoint=expert"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert '"decisions_per_second"' in lines[-1] and '"episodes": 0.0' in lines[-1]


# -- a person ----------------------------------------------------------------------------------------------


def hold(run: Run, *keys: str) -> None:
    run.send({"kind": "hold", "view": "screen", "direction": keys[-1] if keys else "", "held": list(keys)})


@pytest.mark.parametrize(
    ("held", "names", "action"),
    [
        ((), ALL, "noop"),
        (("left",), ALL, "left"),
        (("left", "up", "fire"), ALL, "upleftfire"),
        (("left", "right"), ALL, "left"),  # both at once: one of them
        (("left", "fire"), ("noop", "fire", "right", "left"), "left"),
        (("fire",), ("noop", "fire", "right", "left"), "fire"),
        (("left", "fire"), ("noop", "fire"), "fire"),
        (("right",), ("noop", "up", "down"), "noop"),
        (("up", "right"), ("noop", "up", "down"), "up"),
    ],
)
def test_keys_become_the_action_of_the_game_that_comes_nearest(held, names, action):
    assert names[action_for(set(held), names)] == action


def test_who_presses_a_key_takes_over_in_mid_game_and_may_hand_back():
    run = after(30)
    hold(run, "right")
    assert run.values["player"] == "human" and run.frame().metrics["score"] == run.experiment.score
    run.set_knob("sticky", False)
    run.advance()
    assert run.experiment.console.names[run.experiment.console.last] == "right"
    hold(run, "left")  # within a decision, too
    run.advance_phase()
    assert run.experiment.console.names[run.experiment.console.last] == "left"
    hold(run)
    run.set_knob("player", "agent")
    assert run.experiment.held == set() and run.values["player"] == "agent"


def test_in_pong_the_keys_up_and_down_move_the_paddle_up_and_down():
    run = after(0, player="human", sticky=False)
    places = []
    for key in ("up", "down"):
        hold(run, key)
        run.advance()
        places.append(run.experiment.console.names[run.experiment.console.last])
    assert places == ["right", "left"]


def test_keys_held_for_a_minute_do_no_harm():
    run = after(0, game="seaquest", player="human")
    sizes = []
    for i in range(900):  # a minute of the game
        for _ in range(3):  # a keyboard that repeats
            hold(run, "fire", "right")
        run.advance()
        if i % 300 == 299:
            sizes.append(len(run.experiment.rewards) + len(run.experiment.values.kept))
    assert run.experiment.held == {"fire", "right"} and max(sizes) <= 1200
    hold(run)
    run.advance()
    assert run.experiment.held == set()


@pytest.mark.parametrize(
    "event", [{"kind": "hold", "held": ["jump"]}, {"kind": "hold", "held": "left"}, {"kind": "draw"}]
)
def test_an_event_that_makes_no_sense_is_refused(event):
    run = after(1)
    with pytest.raises(Plain, match="does nothing"):
        run.send(event)
    assert run.values["player"] == "agent"


@pytest.mark.processes
def test_only_the_owner_takes_over():
    engine = Engine(workers=1)
    try:
        tickets = engine.open("reinforcement/atari", {}, 0, "someone")
        owner, viewer = Person(engine, tickets.owner), Person(engine, tickets.viewer)
        until(lambda: owner.state == "paused", "the run")
        with pytest.raises(Plain) as refusal:
            viewer.do("event", event={"kind": "hold", "view": "screen", "held": ["left"]})
        assert refusal.value.code == "viewer_steers"
        owner.sees(owner.do("event", event={"kind": "hold", "view": "screen", "held": ["left"]}))
        until(lambda: owner.run.status["config"]["player"] == "human", "the owner's hand")
    finally:
        engine.close()


# -- the network, PPO, saliency ----------------------------------------------------------------------------


def test_patches_and_the_small_convolution_are_the_convolution_of_the_paper():
    torch.manual_seed(0)
    seen = np.random.default_rng(0).integers(0, 256, (2, 4, 84, 84)).astype(np.uint8)
    large = torch.randn(16, 4, 8, 8)
    small = F.pixel_unshuffle(large, 4)  # the same numbers, as 2 × 2 patches
    expected = F.conv2d(torch.from_numpy(seen).float(), large, stride=4)
    found = F.conv2d(patches(seen).float().permute(0, 3, 1, 2), small)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0.1)
    assert torch.equal(patches(seen), patches_of(torch.from_numpy(seen)))


@pytest.mark.parametrize(("game", "grey"), [("pong", 87), ("breakout", 0), ("freeway", 142)])
def test_the_background_is_the_grey_of_most_pixels_while_the_game_is_played(game, grey):
    assert background(game) == pytest.approx(grey / 255)
    games = Games(game, 2)
    games.begin(0)
    for _ in range(30):
        games.step(np.zeros(2, np.int64))
    assert (games.observations == grey).mean() > 0.5


def test_greys_counted_from_the_background_are_another_first_bias():
    """W (x - b) + c = W x + (c - b ΣW): the same functions can be learned, from a better place to begin."""
    torch.manual_seed(0)
    plain, counted = PixelNetwork(3), PixelNetwork(3, 0.4)
    counted.load_state_dict(plain.state_dict() | {"background": torch.tensor(0.4)})
    with torch.no_grad():
        counted.near.bias += 0.4 * counted.near.weight.sum((1, 2, 3))
        seen = torch.rand(5, 21, 21, 64) * 255
        for one, other in zip(plain(seen), counted(seen), strict=True):
            torch.testing.assert_close(one, other, rtol=0.05, atol=0.02)  # bfloat16 has eight bits


def test_an_update_makes_what_paid_likelier_and_the_first_ratio_is_1():
    """Two copies that see the same; action 1 pays, the others do not. (Only a reward's sign counts.)"""
    torch.manual_seed(0)
    np.random.seed(0)
    agent = PixelPPO(3, Settings(copies=2, rollout=32, minibatch=64, learning_rate=1e-3))
    seen = np.random.default_rng(0).integers(0, 256, (2, 4, 84, 84)).astype(np.uint8)
    before = torch.from_numpy(agent.look(seen)[1]).softmax(dim=1)[:, 1].min()
    for rollout in range(4):
        for _ in range(32):
            actions = agent.act(seen)
            agent.learn(np.where(actions == 1, 7.0, 0.0), np.ones(2, bool), seen)
        assert set(agent.rewards.ravel().tolist()) <= {0.0, 1.0} and len(agent.pending) == 3
        while agent.pending:
            agent.improve()
            if agent.updates == 1:
                assert agent.metrics["clipped"] == 0
        del rollout
    assert torch.from_numpy(agent.look(seen)[1]).softmax(dim=1)[:, 1].min() > before + 0.1


class OneSpot(nn.Module):
    """A policy that looks at a single pixel."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.stack([pictures[:, 3, 20, 60] / 300, pictures[:, 0, 0, 0] * 0], dim=1)


@pytest.mark.parametrize("way", [saliency.gradient, saliency.perturbation])
def test_saliency_finds_the_pixel_that_is_looked_at(way):
    seen = np.random.default_rng(0).integers(0, 256, (4, 84, 84)).astype(np.uint8)
    seen[3, 20, 60] = 255
    found = way(OneSpot(), seen)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert found.shape == (84, 84) and abs(row - 20) <= 4 and abs(column - 60) <= 4
    assert found[60:, :30].max() < 0.01 * found.max()


@pytest.mark.parametrize("way", ["gradient", "perturbation"])
def test_saliency_is_named_and_laid_over_the_screen(way):
    run = after(20)
    plain = run.frame().views["screen"]
    run.set_knob("saliency", way)
    found = run.frame().views["screen"]
    assert found.labels == (f"saliency_{way}",) and found.pixels.shape == plain.pixels.shape
    assert not np.array_equal(found.pixels, plain.pixels)


# -- training ----------------------------------------------------------------------------------------------


def training(seed: int = 0, **values: object) -> Run:
    return Run(AtariTraining, {"copies": 2, "rollout": 16, "game": "freeway", **values}, seed)


def test_training_counts_what_it_plays_and_learns_from_all_of_it():
    run, other = training(), training()
    for _ in range(16 + 3):  # a rollout, and its three epochs of one minibatch
        run.advance()
        other.advance()
    metrics = run.frame().metrics
    assert (metrics["decisions"], metrics["frames_seen"], metrics["updates"]) == (32, 128, 3)
    assert differences(run.frame(), other.frame()) == []
    assert run.frame().views["games"].pixels.shape == (2, 84, 84)
    assert len(run.frame().views["losses"].series["entropy"]) == 1


def test_training_from_a_checkpoint_that_is_not_shipped_says_to_begin_without_one():
    with pytest.raises(Plain) as refusal:
        training(game="seaquest", checkpoint="expert")
    assert refusal.value.code == "checkpoint_missing"


def test_training_goes_on_from_a_checkpoint_with_all_it_has_learned(tmp_path: Path):
    run = training()
    for _ in range(19):
        run.advance()
    run.save(tmp_path / "some.checkpoint")
    copy = Run.load(AtariTraining, tmp_path / "some.checkpoint")
    for one, other in zip(
        run.experiment.agent.network.parameters(), copy.experiment.agent.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    assert copy.frame().metrics["updates"] == 3 and copy.experiment.decisions == 32
    copy.advance()


def test_training_begins_with_a_shipped_agent_and_leaves_it_as_it_is():
    run = training(checkpoint="expert", game="pong")
    shipped_one = trained("pong", "expert", 6)[0]
    assert torch.equal(run.experiment.agent.network.policy.weight, shipped_one.policy.weight)
    for _ in range(19):
        run.advance()
    assert not torch.equal(run.experiment.agent.network.policy.weight, shipped_one.policy.weight)
    assert torch.equal(trained("pong", "expert", 6)[0].policy.weight, shipped_one.policy.weight)
    assert "shipped_agent" in run.frame().views["returns"].series


# -- DQN ---------------------------------------------------------------------------------------------------


def played(replay: PictureReplay, games: Games, moments: int) -> list[tuple[np.ndarray, ...]]:
    """What a rollout by lot saw, did and brought, as the replay was told it."""
    draw, told = np.random.default_rng(0), []
    for _ in range(moments):
        seen = games.observations
        replay.see(patches(seen))
        actions = draw.integers(games.actions, size=len(seen))
        result = games.step(actions)
        begins = result.ended & ~games.observations[:, :-1].any(axis=(1, 2, 3))
        assert set(np.flatnonzero(begins)) == set(games.over)
        replay.add(actions, result.rewards, result.ended, begins)
        told.append((seen, actions, result.rewards, result.ended, begins))
    return told


@pytest.mark.parametrize("rows", [400, 150])  # with room for all, and gone round
def test_the_memory_gives_back_exactly_what_was_seen_also_where_games_end(rows):
    replay, games = PictureReplay(3 * rows, 3), Games("breakout", 3)
    games.begin(0)
    told = played(replay, games, 380)
    moments = np.arange(replay.oldest, replay.moment - 1)
    assert len(replay) == 3 * len(moments) and len(moments) >= rows - 5 - (rows == 400) * 16
    assert any(told[t][4].any() for t in moments)  # at least one game ended
    for copy in range(3):
        everywhere = np.full(len(moments), copy)
        for offset, found in ((0, replay.seen(moments, everywhere)), (1, replay.seen(moments + 1, everywhere))):
            lay_there = np.stack([told[t + offset][0][copy] for t in moments])
            assert torch.equal(found, patches(lay_there))


def test_what_is_drawn_from_the_memory_happened():
    replay, games = PictureReplay(300, 2), Games("breakout", 2)
    games.begin(1)
    told = played(replay, games, 200)
    np.random.seed(0)
    batch = replay.sample(64)
    happened = {
        (patches(seen[[c]]).numpy().tobytes(), int(actions[c]), float(rewards[c]), float(ended[c]))
        for seen, actions, rewards, ended, _ in told
        for c in range(2)
    }
    for i in range(64):
        row = (batch.seen[i].numpy().tobytes(), int(batch.actions[i]), float(batch.rewards[i]), float(batch.ended[i]))
        assert row in happened


def test_a_decision_is_remembered_in_one_picture():
    replay = PictureReplay(50_000, 16)
    assert sum(v.nbytes for v in vars(replay).values() if isinstance(v, np.ndarray)) < 50_000 * 7100


def test_double_dqn_lets_one_network_choose_and_the_other_judge():
    torch.manual_seed(0)
    agent = PixelDQN(3, atari_dqn.Settings(copies=2, discount=0.5), 1000)
    following = torch.randint(0, 256, (4, 21, 21, 64), dtype=torch.uint8)
    with torch.no_grad():
        agent.network.worth.bias += torch.tensor([0.0, 9.0, 0.0])  # it chooses action 1 everywhere,
        agent.target_network.worth.bias += torch.tensor([50.0, 0.0, 0.0])  # which is not the other one's best
        worth = agent.target_network(following)[:, 1]
    rewards, ended = torch.tensor([1.0, 0.0, -1.0, 1.0]), torch.tensor([0.0, 0.0, 0.0, 1.0])
    expected = [1 + 0.5 * worth[0], 0.5 * worth[1], -1 + 0.5 * worth[2], 1.0]
    torch.testing.assert_close(agent.target(rewards, ended, following), torch.tensor(expected))


def test_dqn_finds_what_pays_and_its_target_network_waits():
    """Two copies that see the same; action 1 pays, the others do not, and each decision is an end."""
    torch.manual_seed(0)
    np.random.seed(0)
    settings = atari_dqn.Settings(
        copies=2, warm_up=64, update_every=4, batch=32, renew_every=10_000, learning_rate=1e-3
    )
    agent = PixelDQN(3, settings, 1000)
    seen = np.random.default_rng(0).integers(0, 256, (2, 4, 84, 84)).astype(np.uint8)
    before = [weight.clone() for weight in agent.target_network.parameters()]
    assert agent.epsilon == 1
    for _ in range(120):
        actions = agent.act(seen)
        agent.learn(np.where(actions == 1, 7.0, 0.0), np.ones(2, bool), seen)
        while agent.pending:
            agent.improve()
    assert agent.updates > 30 and 0.99 < agent.epsilon < 1
    assert agent.opinion(seen[0]).argmax() == 1 and agent.opinion(seen[0])[1] == pytest.approx(1, abs=0.2)
    assert all(map(torch.equal, before, agent.target_network.parameters()))
    agent.renew()
    assert all(map(torch.equal, agent.network.parameters(), agent.target_network.parameters()))


DQN = {"algorithm": "dqn", "replay_size": 1000, "copies": 16}


def test_two_trainings_of_dqn_with_one_seed_are_one():
    run, other = training(**DQN), training(**DQN)
    for _ in range(48):
        run.advance()
        other.advance()
    metrics = run.frame().metrics
    assert metrics["updates"] >= 5 and metrics["decisions"] == 16 * (48 - metrics["updates"])
    assert metrics["remembered"] == metrics["decisions"] - 16 and metrics["epsilon"] < 1
    assert differences(run.frame(), other.frame()) == []
    for _ in range(100):  # the memory is full
        run.advance()
    assert run.frame().metrics["remembered"] <= 1000


def test_dqn_goes_on_from_a_checkpoint_with_all_but_its_memory(tmp_path: Path):
    run = training(**DQN)
    for _ in range(48):
        run.advance()
    run.save(tmp_path / "some.checkpoint")
    assert (tmp_path / "some.checkpoint").stat().st_size < 20e6
    copy = Run.load(AtariTraining, tmp_path / "some.checkpoint")
    for name in ("network", "target_network"):
        one, other = (getattr(r.experiment.agent, name).state_dict() for r in (run, copy))
        assert all(torch.equal(one[key], other[key]) for key in one)
    agent = copy.experiment.agent
    assert (agent.epsilon, agent.updates) == (run.experiment.agent.epsilon, run.experiment.agent.updates)
    assert len(agent.replay) == 0
    while agent.updates == run.experiment.agent.updates:
        copy.advance()
    assert copy.frame().metrics["updates"] == run.experiment.agent.updates + 1


def test_dqn_cannot_go_on_from_an_agent_of_ppo():
    with pytest.raises(Plain, match="The checkpoint expert is PPO"):
        training(checkpoint="expert", **DQN)


# -- what is shipped ---------------------------------------------------------------------------------------


def test_pong_is_shipped():
    assert "pong" in SHIPPED


@pytest.mark.parametrize("game", SHIPPED)
def test_a_game_ships_four_small_checkpoints_that_know_more_and_more(game):
    scores, decisions = [], []
    for checkpoint in CHECKPOINTS:
        path = ROOT / "assets" / "weights" / f"atari_{game}_{checkpoint}.safetensors"
        tensors, about = shipped.mapped(path)
        assert path.stat().st_size <= 4e6 and {t.dtype for t in tensors.values()} == {torch.float16}
        card = path.with_suffix("").with_suffix(".card.toml").read_text(encoding="utf-8")
        assert about["score"] in card and "20 games with sticky actions" in card
        scores.append(float(about["score"]))
        decisions.append(int(about["decisions"]))
    assert decisions == sorted(decisions) and decisions[0] == 0
    assert scores[-1] == max(scores) > scores[0]
    curve = learning_curve(f"atari_{game}")
    assert len(curve) > 10 and abs(curve[-1, 0] - decisions[-1]) < 50_000


@pytest.mark.slow
@pytest.mark.parametrize(("game", "bar"), [("pong", 18), ("freeway", 25), ("breakout", 30)])
def test_an_expert_earns_its_bar_in_twenty_games(game, bar):
    network, about = trained(game, "expert", Games(game, 1).actions)
    earned = scores(network, game)
    assert len(earned) == 20 and np.mean(earned) >= bar
    assert np.mean(earned) == pytest.approx(float(about["score"]), abs=3 * np.std(earned) / 20**0.5)


# -- bad input ---------------------------------------------------------------------------------------------


def test_a_game_that_does_not_exist_is_named():
    with pytest.raises(Plain, match="game cannot be pingpong"):
        Run(Atari, {"game": "pingpong"}, 0)
    with pytest.raises(Plain, match="no game called combat"):  # two players
        Console("combat")


def test_a_game_without_an_agent_is_for_people_and_chance():
    with pytest.raises(Plain, match="No trained agent is shipped for qbert"):
        Run(Atari, {"game": "qbert"}, 0)
    run = after(3, game="qbert", player="human")
    with pytest.raises(Plain, match="No trained agent"):
        run.set_knob("player", "agent")
    run.advance()
    assert run.values["player"] == "human" and run.frame().views["actions"].values.sum() == 0


@pytest.fixture
def weights(tmp_path: Path, monkeypatch):
    """A folder of weights that a test may spoil, in the place of the shipped one."""
    for path in (ROOT / "assets" / "weights").glob("atari_pong_*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    return tmp_path


def test_an_agent_of_another_game_is_refused(weights: Path):
    shutil.copy(weights / "atari_pong_expert.safetensors", weights / "atari_breakout_expert.safetensors")
    with pytest.raises(Plain, match="those of an agent for pong, not for breakout"):
        Run(Atari, {"game": "breakout"}, 0)


@pytest.mark.parametrize("spoil", ["cut", "garbage", "layers"])
def test_a_spoilt_weight_file_is_named(weights: Path, spoil):
    path = weights / "atari_pong_expert.safetensors"
    whole = path.read_bytes()
    if spoil == "layers":
        save_file({name: t for name, t in load_file(path).items() if "far" not in name}, path, {"game": "pong"})
    else:
        path.write_bytes(whole[: len(whole) // 2] if spoil == "cut" else b"\xff" * len(whole))
    with pytest.raises(Plain, match="atari_pong_expert is damaged"):
        Run(Atari, {}, 0)


@pytest.mark.parametrize("experiment", [Atari, AtariTraining])
def test_without_the_emulator_there_is_a_sentence(experiment, monkeypatch):
    monkeypatch.setattr(atari_games, "ale_py", None)
    with pytest.raises(Plain, match="not installed"):
        Run(experiment, {}, 0)


def test_the_page_is_there_without_the_emulator():
    """In a process that cannot import it."""
    code = "import sys; sys.modules['ale_py'] = None\nfrom shared.live.registry import catalogue, find\n"
    code += "import apps.reinforcement.page\nfor name in catalogue():\n    find(name)\n"
    code += "from shared.live.run import Run\nRun(find('reinforcement/gridworld'), {}, 0).advance()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.processes
def test_a_game_begins_at_its_own_speed():
    engine = Engine(workers=1)
    try:
        owner = Person(engine, engine.open("reinforcement/atari", {}, 0, "someone").owner)
        until(lambda: owner.state == "paused", "the run")
        assert owner.run.status["speed"] == "game"
    finally:
        engine.close()
