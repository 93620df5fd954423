"""`make bench-rl`: the deep agents of the page against Stable-Baselines3's, and the tabular ones against their figure.

The same environment, the same number of its steps, the same seeds, one thread of torch each, in turns. Ours have the
settings of the page; theirs those of RL Baselines3 Zoo, which are tuned for the environment. What either has learned is
judged in 20 episodes without chance, from the same starts. Speeds are steps of the environment a second of the
processor's time, since a machine that is shared gives either its share; evaluations are not counted.

Prints `name value unit goal`, one a line, and exits with 1 if any falls short.
    python -m tests.bench.rl [--only WORD] [--seeds N]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise

from apps.reinforcement.control import Control
from apps.reinforcement.environments import EVALUATED, FIRST_EVALUATED, WORLDS
from apps.reinforcement.gridworld import LEARNING, Gridworld
from shared.live.run import Run
from tests.bench.report import conclude, report

ALLOWANCE = 0.05  # of the range from random to best, by which ours may earn less
JUDGEMENTS = 5  # in the last fifth of a run; its end is their mean, since a single one of them jumps


@dataclass(frozen=True)
class Pair:
    """One of our algorithms, and its counterpart. random, best: what chance and an expert earn."""

    ours: dict[str, Any]
    theirs: Callable[..., BaseAlgorithm]
    settings: dict[str, Any]
    steps: int
    random: float
    best: float
    copies: int = 1
    env: str = "CartPole"
    noise: float = 0.0
    policy: dict[str, Any] = field(default_factory=dict)


# The settings are those of rl-baselines3-zoo/hyperparams/*.yml for these environments.
DDPG = {
    "learning_rate": 1e-3, "buffer_size": 200_000, "learning_starts": 1000, "gamma": 0.98, "train_freq": 1,
    "gradient_steps": 1,
}  # fmt: skip
PAIRS = {
    "ppo": Pair(
        {"algorithm": "ppo"}, sb3.PPO,
        {"n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "learning_rate": 1e-3,
         "clip_range": 0.2, "ent_coef": 0.0},
        100_000, 22.0, 500.0, copies=8,
    ),
    "a3c": Pair({"algorithm": "a3c"}, sb3.A2C, {"ent_coef": 0.0}, 300_000, 22.0, 500.0, copies=8),
    "a2c": Pair({"algorithm": "a3c", "synchronous": True}, sb3.A2C, {"ent_coef": 0.0}, 300_000, 22.0, 500.0, copies=8),
    "dqn": Pair(
        {"algorithm": "dqn"}, sb3.DQN,
        {"learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000, "gamma": 0.99,
         "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128, "exploration_fraction": 0.16,
         "exploration_final_eps": 0.04},
        60_000, 22.0, 500.0, policy={"net_arch": [256, 256]},
    ),
    "ddpg": Pair(
        {"algorithm": "ddpg"}, sb3.DDPG, DDPG, 20_000, -1250.0, -150.0, env="Pendulum", noise=0.1,
        policy={"net_arch": [400, 300]},
    ),
    "td3": Pair(
        {"algorithm": "ddpg", "twin_critics": True, "delayed_actor": True, "smoothed_target": True}, sb3.TD3, DDPG,
        20_000, -1250.0, -150.0, env="Pendulum", noise=0.1, policy={"net_arch": [400, 300]},
    ),
}  # fmt: skip


def judged_at(steps: int) -> list[int]:
    """When a run of so many steps is judged."""
    return [round(steps * (1 - 0.2 * (JUDGEMENTS - 1 - i) / (JUDGEMENTS - 1))) for i in range(JUDGEMENTS)]


def ours(pair: Pair, seed: int) -> tuple[float, float]:
    """Mean evaluation at the end, and steps a second of the processor's time."""
    run = Run(Control, pair.ours | {"env": pair.env, "evaluate_every": pair.steps * 2}, seed)
    control, earned, spent = run.experiment, list[float](), 0.0
    for until in judged_at(pair.steps):
        start = time.process_time()
        while control.env_steps < until or control.agent.pending:
            run.advance()
        spent += time.process_time() - start
        earned.append(control.evaluate())
    return statistics.mean(earned), control.env_steps / spent


class Judge(BaseCallback):
    """Evaluates their policy as ours is evaluated, and counts the processor's time without that."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair, self.due, self.earned = pair, judged_at(pair.steps), list[float]()
        self.apart = 0.0  # s spent on judging

    def _on_step(self) -> bool:
        while self.due and self.num_timesteps >= self.due[0]:
            start = time.process_time()
            self.due.pop(0)
            self.earned.append(self.evaluate())
            self.apart += time.process_time() - start
        return True

    def evaluate(self) -> float:
        """Mean return of EVALUATED episodes without chance, from the starts that ours are judged from."""
        envs = [gymnasium.make(WORLDS[self.pair.env].id) for _ in range(EVALUATED)]
        seen = np.stack([env.reset(seed=FIRST_EVALUATED + i)[0] for i, env in enumerate(envs)])
        playing, earned = list(range(EVALUATED)), 0.0
        while playing:
            actions, _ = self.model.predict(seen[playing], deterministic=True)
            going = []
            for place, action in zip(playing, actions, strict=True):
                seen[place], reward, terminated, truncated, _ = envs[place].step(action)
                earned += float(reward)
                if not terminated and not truncated:
                    going.append(place)
            playing = going
        return earned / EVALUATED


def theirs(pair: Pair, seed: int) -> tuple[float, float]:
    """Mean evaluation at the end, and steps a second of the processor's time."""
    envs = make_vec_env(WORLDS[pair.env].id, pair.copies, seed=seed)
    settings = dict(pair.settings)
    if pair.noise:
        motors = envs.action_space.shape[0]
        settings["action_noise"] = NormalActionNoise(np.zeros(motors), pair.noise * np.ones(motors))
    model = pair.theirs("MlpPolicy", envs, policy_kwargs=pair.policy or None, seed=seed, device="cpu", **settings)
    judge, start = Judge(pair), time.process_time()
    model.learn(pair.steps, callback=judge)
    spent = time.process_time() - start - judge.apart
    return statistics.mean(judge.earned), model.num_timesteps / spent


def race(name: str, pair: Pair, seeds: int) -> None:
    """Both, in turns; medians over the seeds."""
    found = [(ours(pair, seed), theirs(pair, seed)) for seed in range(seeds)]
    span = pair.best - pair.random
    (mine, speed), (other, their_speed) = (
        [statistics.median(numbers) for numbers in zip(*side, strict=True)] for side in zip(*found, strict=True)
    )
    report(f"{name}_return_less_than_sb3s", (other - mine) / span, "of_random_to_best", f"<= {ALLOWANCE}")
    report(f"{name}_return", mine, "return", f">= {other - ALLOWANCE * span:.4g}")
    report(f"{name}_steps", speed, "1/s", f">= {their_speed:.4g}")


def tabular(seconds: float = 3.0) -> None:
    """Updates a second of each tabular algorithm that learns by trying, with nobody watching."""
    for algorithm in LEARNING:
        run = Run(Gridworld, {"algorithm": algorithm}, 0)
        count, start = 0, time.process_time()
        while time.process_time() - start < seconds:
            for _ in range(1000):
                run.advance()
            count += 1000
        report(f"gridworld_{algorithm}_updates", count / (time.process_time() - start), "1/s", ">= 50000")


def main() -> None:
    """Measure, print, and say by the exit code whether anything fell short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="only figures whose name holds this word")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.only in "gridworld":
        tabular()
    for name, pair in PAIRS.items():
        if arguments.only in name:
            race(name, pair, arguments.seeds)
    sys.exit(conclude())


if __name__ == "__main__":
    main()
