"""Train the agents that `reinforcement/robot` ships: the page's own TD3, with a diary of the way to where it got.

Run it as `python -m assets.build.robots HalfCheetah --steps 400000 --folder FOLDER`; it goes on from what lies there.
"""

import argparse
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from apps.reinforcement.ddpg import DDPG
from apps.reinforcement.environments import ROBOTS, Environments

EVALUATE_EVERY = 5000  # steps of the environment
EPISODES, FIRST_SEED = 10, 1_000_000  # of an evaluation while it trains, and its first start
MEMORY, BATCH = 400_000, 256


def evaluate(agent: DDPG, robot: str, episodes: int, first_seed: int) -> np.ndarray:
    """What the policy earns without noise in each of `episodes`, (episodes,)."""
    judges = Environments(robot, episodes, first_seed)
    for place in range(episodes):
        judges.begin(place, first_seed + place)
    playing, earned = list(range(episodes)), list[float]()
    while playing:
        out = agent.acting(judges.observations[playing])
        step = judges.step(agent.choose(out, 0.0), playing)
        earned += judges.finished
        playing = [place for place, over in zip(playing, step.ended, strict=True) if not over]
    return np.array(earned)


def snapshot(agent: DDPG) -> dict[str, torch.Tensor]:
    """The actor, and the critics that say what a state is worth, in half precision."""
    players = {"actor": agent.actor, "critics": agent.critics}
    return {f"{who}.{key}": t.half() for who, net in players.items() for key, t in net.state_dict().items()}


class Training:
    """One training, and its diary: `curve` (steps, mean return, hours) and a snapshot for each of its rows."""

    def __init__(self, robot: str, seed: int, folder: Path) -> None:
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        self.robot, self.path = robot, folder / f"{robot}_{seed}.pt"
        self.agent = DDPG(ROBOTS[robot], True, True, True, MEMORY, BATCH)
        self.environments = Environments(robot, 1)
        self.curve: list[tuple[float, float, float]] = []
        self.snapshots: list[dict[str, torch.Tensor]] = []
        self.seconds = 0.0  # of computing, by this process's own clock: a machine that is shared makes no difference
        if self.path.exists():
            self.load(torch.load(self.path, weights_only=False))
        else:
            self.note()

    def run(self, steps: int) -> None:
        """Up to `steps` steps of the environment in all."""
        begin = time.process_time() - self.seconds
        while self.agent.steps < steps:
            observations = self.environments.observations
            self.agent.learn(self.environments.step(self.agent.act(observations)))
            if self.agent.steps % EVALUATE_EVERY == 0:
                self.seconds = time.process_time() - begin
                self.note()
                self.save()

    def note(self) -> None:
        """A line in the diary."""
        earned = evaluate(self.agent, self.robot, EPISODES, FIRST_SEED)
        self.curve.append((self.agent.steps, float(earned.mean()), self.seconds / 3600))
        self.snapshots.append(snapshot(self.agent))
        print(f"{self.robot} {self.agent.steps} steps {self.seconds:.0f} s return {earned.mean():.2f}", flush=True)

    def save(self) -> None:
        """All of it, so that a half-written file never takes the place of a whole one."""
        state: dict[str, Any] = {
            "agent": self.agent.state_dict(), "environments": self.environments.state_dict(), "curve": self.curve,
            "snapshots": self.snapshots, "seconds": self.seconds, "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
        }  # fmt: skip
        torch.save(state, self.path.with_suffix(".new"))
        self.path.with_suffix(".new").replace(self.path)

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `save` kept."""
        self.agent.load_state_dict(state["agent"])
        self.environments.load_state_dict(state["environments"])
        self.curve, self.snapshots, self.seconds = state["curve"], state["snapshots"], state["seconds"]
        np.random.set_state(state["numpy"])
        torch.set_rng_state(state["torch"])


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("robot", choices=tuple(ROBOTS))
    parser.add_argument("--steps", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="where the training is kept, and gone on from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    training = Training(arguments.robot, arguments.seed, arguments.folder)
    training.run(arguments.steps)


if __name__ == "__main__":
    main()
