"""Gymnasium's environments: copies of one side by side, each of which begins again as soon as its episode is over.

An episode is the seed of its start and the actions since: a checkpoint holds these, and they are played again.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled

from shared.live.experiment import Plain

MOST = 2**31  # seeds of the starts go up to this
EVALUATED, FIRST_EVALUATED = 20, 1_000_000  # episodes of an evaluation, and the seed of the first one's start
NEVER = 1_000_000  # steps from one evaluation to the next: there is none


@dataclass(frozen=True)
class World:
    """One of Gymnasium's environments.

    id:           as Gymnasium knows it.
    actions:      what can be done, one name each; none where actions are continuous, -1 … 1 of what is allowed.
    scale:        what observations are divided by, so that all are of about the same size.
    reward_scale: what rewards are multiplied by before anything learns from them; returns are never scaled.
    keys:         what a person does with each arrow key, and with none ("").
    amounts:      of a continuous action: how many motors there are to move at once.
    """

    id: str
    actions: tuple[str, ...]
    scale: tuple[float, ...]
    reward_scale: float
    keys: dict[str, float] = field(hash=False)
    amounts: int = 1

    @property
    def discrete(self) -> bool:
        return bool(self.actions)

    @property
    def outputs(self) -> int:
        """Numbers that a policy puts out: one an action, or, of a continuous one, the A amounts themselves."""
        return len(self.actions) or self.amounts


WORLDS = {
    "CartPole": World("CartPole-v1", ("left", "right"), (1, 1, 1, 1), 1.0, {"left": 0, "right": 1}),
    "Acrobot": World(
        "Acrobot-v1", ("left", "nothing", "right"), (1, 1, 1, 1, 4, 9), 1.0, {"left": 0, "": 1, "right": 2}
    ),
    "MountainCar": World(
        "MountainCar-v0", ("left", "nothing", "right"), (1, 0.07), 1.0, {"left": 0, "": 1, "right": 2}
    ),
    "LunarLander": World(
        "LunarLander-v3",
        ("nothing", "left_engine", "main_engine", "right_engine"),
        (1,) * 8,
        0.1,
        {"": 0, "left": 1, "up": 2, "right": 3},
    ),
    "Pendulum": World("Pendulum-v1", (), (1, 1, 8), 0.1, {"left": 1.0, "": 0.0, "right": -1.0}),
    "MountainCarContinuous": World(
        "MountainCarContinuous-v0", (), (1, 0.07), 0.1, {"left": -1.0, "": 0.0, "right": 1.0}
    ),
}
# MuJoCo's robots (Todorov et al. 2012); velocities are the numbers that are divided by more than 1.
ROBOTS = {
    "InvertedPendulum": World("InvertedPendulum-v5", (), (1, 0.2, 1, 1), 0.1, {}),
    "Reacher": World("Reacher-v5", (), (1, 1, 1, 1, 0.2, 0.2, 5, 5, 0.2, 0.2), 1.0, {}, 2),
    "HalfCheetah": World("HalfCheetah-v5", (), (1,) * 8 + (5,) * 9, 0.1, {}, 6),
    "Hopper": World("Hopper-v5", (), (1,) * 5 + (3,) * 6, 0.1, {}, 3),
}
EVERY = WORLDS | ROBOTS


@dataclass(frozen=True)
class Step:
    """What one step of N copies brought. An episode is over when it is `terminated` or cut off; `ended` is either.

    observations, following: float32 (N, O), before and after; after the last step of an episode this is where it
    ended, not where the next one begins. actions: int64 (N,), or float32 (N, A). rewards: float32 (N,), scaled.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    following: np.ndarray
    terminated: np.ndarray
    ended: np.ndarray


def make(name: str) -> Any:
    """Gymnasium's own environment; who uses it keeps to its time limit. Raises Plain where its physics is missing."""
    try:
        if name in ROBOTS:
            import mujoco

            # Of itself it prints its warnings, and writes them to a file wherever it happens to be.
            mujoco.set_mju_user_warning(logging.getLogger("mujoco").debug)
        return gymnasium.make(EVERY[name].id, disable_env_checker=True).unwrapped
    except (DependencyNotInstalled, ImportError):
        package = f"gymnasium[{'mujoco' if name in ROBOTS else 'box2d'}]"
        raise Plain("environment_missing", name=name, package=package) from None


class Environments:
    """`count` copies of one environment.

    first_seed: the first episode's; the next ones count on from it. Without one, all are drawn by lot.
    """

    def __init__(self, name: str, count: int, first_seed: int | None = None) -> None:
        self.world = EVERY[name]
        self.copies = [make(name) for _ in range(count)]
        self.limit = int(gymnasium.spec(self.world.id).max_episode_steps or 0)
        self.scale = np.array(self.world.scale, np.float32)
        # Continuous actions all have one bound, the same on both sides, in these environments.
        self.bound = None if self.world.discrete else float(self.copies[0].action_space.high[0])
        self.next_seed = first_seed
        self.seeds = [0] * count
        self.actions: list[list[Any]] = [[] for _ in range(count)]  # of the episode under way
        self.returns = [0.0] * count  # what it has earned so far
        self.observations = np.zeros((count, len(self.scale)), np.float32)
        self.finished: list[float] = []  # what the episodes that ended in the last step have earned
        for place in range(count):
            self.begin(place)

    def begin(self, place: int, seed: int | None = None) -> None:
        """A new episode, from the start that `seed` leads to."""
        if seed is None:
            seed = int(np.random.randint(MOST)) if self.next_seed is None else self.next_seed
            self.next_seed = None if self.next_seed is None else self.next_seed + 1
        self.seeds[place], self.actions[place], self.returns[place] = seed, [], 0.0
        self.observations[place] = self.copies[place].reset(seed=seed)[0] / self.scale

    def step(self, actions: np.ndarray, places: Sequence[int] | None = None) -> Step:
        """One step of the copies at `places`, of all by default. Actions: int (N,), or float (N, A) clipped to ±1."""
        places = range(len(self.copies)) if places is None else places
        before = self.observations[list(places)]
        following, self.finished = np.empty_like(before), []
        rewards, flags = np.zeros(len(before), np.float32), np.zeros((2, len(before)), bool)
        for row, place in enumerate(places):
            reward, terminated = self.move(place, actions[row])
            ended = terminated or len(self.actions[place]) >= self.limit
            rewards[row], following[row] = reward, self.observations[place]
            flags[:, row] = terminated, ended
            if ended:
                self.finished.append(self.returns[place])
                self.begin(place)
        return Step(before, actions, rewards * self.world.reward_scale, following, flags[0], flags[1])

    def move(self, place: int, action: Any) -> tuple[float, bool]:
        """One copy's step: its reward, and whether the world itself ended the episode."""
        if self.bound is None:
            done = action = int(action)
        else:
            action = np.clip(action, -1, 1).astype(np.float32)
            done = self.bound * action
        observation, reward, terminated, _, _ = self.copies[place].step(done)
        self.actions[place].append(action)
        self.returns[place] += float(reward)
        self.observations[place] = observation / self.scale
        return float(reward), bool(terminated)

    def play(self, policy: Callable[[np.ndarray], np.ndarray], first_seed: int) -> list[float]:
        """One whole episode of each copy, from starts of their own; returns what each earned, the shortest first.

        policy: what to do in each of some states, (N, O) → actions. first_seed: of the first copy's start.
        """
        for place in range(len(self.copies)):
            self.begin(place, first_seed + place)
        playing, earned = list(range(len(self.copies))), list[float]()
        while playing:
            step = self.step(policy(self.observations[playing]), playing)
            earned += self.finished
            playing = [place for place, over in zip(playing, step.ended, strict=True) if not over]
        return earned

    def state_dict(self) -> dict[str, Any]:
        """Seeds and actions: all else follows from them."""
        kind = np.int64 if self.bound is None else np.float32
        actions = [np.array(taken, kind) for taken in self.actions]
        return {"seeds": list(self.seeds), "actions": actions, "next_seed": self.next_seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for place, (seed, actions) in enumerate(zip(state["seeds"], state["actions"], strict=True)):
            self.begin(place, seed)
            for action in actions:
                self.move(place, action)
        self.next_seed = state["next_seed"]
