"""`make bench`, its last part: Atari on the stage, headless, and in training against Stable-Baselines3's PPO.

Both trainings play the same native copies with the same network, settings and thread; only the code between differs.
Speeds of the processor are counted in its own time, since a machine that is shared gives either its share.

Prints `name value unit goal`, one a line, and exits with 1 if any falls short.
    python -m tests.bench.atari [--only WORD]
    python -m tests.bench.atari --yardstick bare|ours|theirs --seconds 20     (what it runs in processes of their own)
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from apps.reinforcement.atari_agent import PixelNetwork, PixelPPO, Settings, patches, trained
from apps.reinforcement.atari_games import Games
from tests.bench.__main__ import open_scene, rates, stage_of
from tests.bench.report import conclude, report
from tests.browser import drive
from tests.browser.drive import browser, server

GAME = "pong"
SETTINGS = Settings()


def bare() -> Callable[[], int]:
    """The agent plays in a plain loop over one native copy. A call is a decision."""
    games, (network, _) = Games(GAME, 1), trained(GAME, "expert", 6)
    games.begin(0)

    @torch.no_grad()
    def decide() -> int:
        logits, _ = network(patches(games.observations))
        games.step((logits.numpy() + np.random.gumbel(size=logits.shape)).argmax(axis=1))
        return 1

    return decide


def ours() -> Callable[[], int]:
    """The page's PPO. A call is a rollout and all that is learned from it."""
    games = Games(GAME, SETTINGS.copies)
    agent = PixelPPO(games.actions, SETTINGS)
    games.begin(0)

    def learn() -> int:
        for _ in range(SETTINGS.rollout):
            played = games.step(agent.act(games.observations))
            agent.learn(played.rewards, played.ended, games.observations)
        while agent.pending:
            agent.improve()
        return SETTINGS.rollout * SETTINGS.copies

    return learn


def theirs() -> Callable[[], int]:
    """Stable-Baselines3's PPO on the same copies, with the same layers in float32, its own precision."""
    import gymnasium
    from stable_baselines3 import PPO
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import VecEnv

    class Copies(VecEnv):
        """The native copies as Stable-Baselines3 asks for them."""

        def __init__(self) -> None:
            self.games = Games(GAME, SETTINGS.copies)
            space = gymnasium.spaces.Box(0, 255, (4, 84, 84), np.uint8)
            super().__init__(SETTINGS.copies, space, gymnasium.spaces.Discrete(self.games.actions))

        def reset(self) -> np.ndarray:
            self.games.begin(0)
            return self.games.observations

        def step_async(self, actions: np.ndarray) -> None:
            self.asked = actions

        def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
            played = self.games.step(self.asked)
            return self.games.observations, np.sign(played.rewards), played.ended, [{} for _ in range(SETTINGS.copies)]

        def close(self) -> None: ...

        def get_attr(self, name: str, indices: Any = None) -> list[Any]:
            return [None] * SETTINGS.copies

        def set_attr(self, name: str, value: Any, indices: Any = None) -> None: ...

        def env_method(self, name: str, *arguments: Any, indices: Any = None, **named: Any) -> list[Any]:
            return [None] * SETTINGS.copies

        def env_is_wrapped(self, wrapper: type, indices: Any = None) -> list[bool]:
            return [False] * SETTINGS.copies

    class Layers(BaseFeaturesExtractor):
        """Mnih et al. 2013's, as PixelNetwork has them, on whole pictures."""

        def __init__(self, space: gymnasium.spaces.Box) -> None:
            super().__init__(space, 256)
            self.body = nn.Sequential(
                nn.Conv2d(4, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten(),
                nn.Linear(32 * 9 * 9, 256), nn.ReLU(),
            )  # fmt: skip

        def forward(self, pictures: Tensor) -> Tensor:
            return self.body(pictures)

    s = SETTINGS
    agent = PPO(
        "CnnPolicy", Copies(), s.learning_rate, s.rollout, s.minibatch, s.epochs, s.discount, s.trace_decay, s.clip,
        ent_coef=s.entropy_weight, vf_coef=s.value_weight, max_grad_norm=s.longest_gradient, seed=0,
        device="cpu", policy_kwargs={"features_extractor_class": Layers, "net_arch": []},
    )  # fmt: skip

    def learn() -> int:
        agent.learn(s.rollout * s.copies, reset_num_timesteps=False)
        return s.rollout * s.copies

    return learn


def same_layers() -> bool:
    """Whether the two networks have as many weights: PixelNetwork's, and those that `theirs` describes."""
    counted = 4 * 64 * 16 + 16 + 16 * 16 * 32 + 32 + 32 * 81 * 256 + 256 + 256 * 6 + 6 + 256 + 1
    return sum(p.numel() for p in PixelNetwork(6).parameters()) == counted


def rate(once: Callable[[], int], seconds: float) -> float:
    """How much `once` does in a second of this process's own time, its threads' included."""
    torch.set_num_threads(1)
    once()
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        done += once()
    return done / (time.process_time() - start)


def yardstick(name: str, seconds: float) -> float:
    command = [sys.executable, "-m", "tests.bench.atari", "--yardstick", name, "--seconds", str(seconds)]
    return float(subprocess.run(command, cwd=drive.ROOT, capture_output=True, text=True, check=True).stdout)


def headless() -> float:
    """Decisions of the command line a second of the processor's time, by two runs of different lengths."""
    count = []
    for steps in (1, 4000):
        before = children()
        command = [
            sys.executable,
            "-m",
            "shared.live",
            "run",
            "reinforcement/atari",
            "--set",
            f"game={GAME}",
            "--jsonl",
        ]
        command += ["--steps", str(steps), "--every", "1000000000"]
        lines = subprocess.run(command, cwd=drive.ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        count.append((json.loads(lines[-1])["step"], children() - before))
    (few, short), (many, long) = count
    return (many - few) / (long - short)


def children() -> float:
    """Seconds of the processor's time that this process's children took, those that have ended."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def playing() -> None:
    """Frames a second that the stage draws at the game's own speed, all views on."""
    with browser() as chromium, server() as address:
        page = open_scene(chromium, address, "atari", topic="reinforcement-learning")
        stage_of(page)
        time.sleep(5)
        drawn, _ = rates(page, 15)
        report("atari_frames", drawn, "1/s", ">= 55")


def deciding() -> None:
    """Headless decisions over those of a bare loop, in turns."""
    ratios = [headless() / yardstick("bare", 8) for _ in range(3)]
    report("atari_headless_over_bare_loop", statistics.median(ratios), "ratio", ">= 0.8")


def learning() -> None:
    """Decisions that PPO plays and learns from, against Stable-Baselines3's, in turns."""
    assert same_layers()
    ratios = [yardstick("ours", 15) / yardstick("theirs", 15) for _ in range(3)]
    report("atari_ppo_over_stable_baselines3", statistics.median(ratios), "ratio", ">= 1.5")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.atari")
    parser.add_argument("--only", default="", help="those whose name holds this word")
    parser.add_argument("--yardstick", choices=("bare", "ours", "theirs"))
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    if options.yardstick:
        once = {"bare": bare, "ours": ours, "theirs": theirs}[options.yardstick]()
        print(rate(once, options.seconds))
        return 0
    for measure in (deciding, learning, playing):
        if options.only in measure.__name__:
            measure()
    return conclude()


if __name__ == "__main__":
    sys.exit(main())
