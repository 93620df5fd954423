"""Train the agents that `reinforcement/robot` ships: the page's own TD3, with a diary of the way to where it got.

Run it as `python -m assets.build.robots HalfCheetah --steps 400000 --folder FOLDER`; it goes on from what lies there,
and at the end it writes weights and card. With `--steps 0` it writes what there is.
"""

import argparse
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from apps.reinforcement.ddpg import DDPG
from apps.reinforcement.environments import ROBOTS, Environments
from apps.reinforcement.experts import LEVELS, become, weights_name
from assets.build.card import write_card
from shared.live.run import NUMPY

WEIGHTS = Path(__file__).parents[1] / "weights"

EPISODES, FIRST_SEED = 10, 1_000_000  # of an evaluation while it trains, and its first start
JUDGED, FIRST_JUDGED = 20, 3_000_000  # the same of what is shipped, on starts that chose nothing
MEMORY, BATCH = 400_000, 256
SHARES = {"beginner": 0.25, "advanced": 0.65}  # of the way from the first diary line to the best one


def evaluate(agent: DDPG, robot: str, episodes: int, first_seed: int) -> np.ndarray:
    """What the policy earns without noise in each of `episodes`, (episodes,)."""
    judges = Environments(robot, episodes, first_seed)
    return np.array(judges.play(lambda seen: agent.choose(agent.acting(seen), 0.0), first_seed))


def snapshot(agent: DDPG) -> dict[str, torch.Tensor]:
    """The actor, and the critics that say what a state is worth, in half precision."""
    players = {"actor": agent.actor, "critics": agent.critics}
    return {f"{who}.{key}": t.half() for who, net in players.items() for key, t in net.state_dict().items()}


class Training:
    """One training, and its diary: `curve` (steps, mean return, hours) and a snapshot for each of its rows."""

    def __init__(self, robot: str, seed: int, every: int, folder: Path) -> None:
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        self.robot, self.seed, self.every, self.path = robot, seed, every, folder / f"{robot}_{seed}.pt"
        self.agent = DDPG(ROBOTS[robot], True, True, True, MEMORY, BATCH)
        self.environments = Environments(robot, 1)
        self.curve: list[tuple[float, float, float]] = []
        self.snapshots: list[dict[str, torch.Tensor]] = []
        self.seconds = 0.0  # of computing, by this process's own clock: a machine that is shared makes no difference
        if self.path.exists():
            with torch.serialization.safe_globals(NUMPY):
                self.load(torch.load(self.path, weights_only=True))
        else:
            self.note()

    def run(self, steps: int) -> None:
        """Up to `steps` steps of the environment in all."""
        begin = time.process_time() - self.seconds
        while self.agent.steps < steps:
            observations = self.environments.observations
            self.agent.learn(self.environments.step(self.agent.act(observations)))
            if self.agent.steps % self.every == 0:
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


def chosen(curve: list[tuple[float, float, float]]) -> dict[str, int]:
    """Level → line of the diary: the first, the first to have come so far, the best."""
    returns = np.array([line[1] for line in curve])
    first, best = returns[0], returns.max()
    places = {"clueless": 0, "expert": int(returns.argmax())}
    return places | {
        level: int((returns >= first + share * (best - first)).argmax()) for level, share in SHARES.items()
    }


def write(training: Training) -> None:
    """The four levels, the diary, and the card with what each of them earns."""
    robot, name, curve = training.robot, weights_name(training.robot), training.curve
    places = {level: chosen(curve)[level] for level in LEVELS}
    tensors = {f"{lv}.{key}": t.contiguous() for lv, i in places.items() for key, t in training.snapshots[i].items()}
    tensors["diary"] = torch.tensor([line[:2] for line in curve], dtype=torch.float32)
    about = {"robot": robot} | {f"{level}_steps": str(int(curve[i][0])) for level, i in places.items()}
    save_file(tensors, WEIGHTS / f"{name}.safetensors", about | {f"{level}_score": "0" for level in LEVELS})
    scores = {}
    for level in LEVELS:  # as they will be opened: in half precision, by the app's own code
        become(training.agent, robot, level)
        earned = evaluate(training.agent, robot, JUDGED, FIRST_JUDGED)
        scores[level] = (earned.mean(), earned.std())
        about[f"{level}_score"] = f"{earned.mean():.2f}"
        print(f"{robot} {level} {about[f'{level}_steps']} steps: {earned.mean():.2f} ± {earned.std():.2f}")
    save_file(tensors, WEIGHTS / f"{name}.safetensors", about)
    told = "; ".join(
        f"{level} after {curve[i][0]:,.0f} steps and {60 * curve[i][2]:.1f} minutes: {scores[level][0]:.2f} ± "
        f"{scores[level][1]:.2f}" for level, i in places.items()
    )  # fmt: skip
    write_card(
        WEIGHTS / f"{name}.card.toml", [WEIGHTS / f"{name}.safetensors"],
        title=f"TD3 agents of {robot}, from clueless to expert",
        title_es=f"Agentes TD3 de {robot}, de novato a experto",
        licence="MIT, like the app", source=f"Trained for this app in Gymnasium's {ROBOTS[robot].id} (MIT) on MuJoCo "
        "(Apache-2.0).",
        made_by=f"python -m assets.build.robots {robot} --seed {training.seed} --every {training.every} "
        f"--steps {int(curve[-1][0])} --folder FOLDER",
        how=f"apps/reinforcement/ddpg.py with TD3's three switches, batch {BATCH}, seed {training.seed}, on one core "
        f"of an ordinary two-core server, no accelerator; minutes are of computing. {told} (mean and standard "
        f"deviation of {JUDGED} episodes without noise, starts {FIRST_JUDGED:,} and on). The levels are the first, "
        f"those that had first come {SHARES['beginner']:.0%} and {SHARES['advanced']:.0%} of the way, and the best of "
        f"the diary, which judges by {EPISODES} episodes every {training.every:,} steps.",
        pages=["reinforcement"],
    )  # fmt: skip


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("robot", choices=tuple(ROBOTS))
    parser.add_argument("--steps", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=5000, help="steps from one line of the diary to the next")
    parser.add_argument("--folder", type=Path, required=True, help="where the training is kept, and gone on from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    training = Training(arguments.robot, arguments.seed, arguments.every, arguments.folder)
    training.run(arguments.steps)
    write(training)


if __name__ == "__main__":
    main()
