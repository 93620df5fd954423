"""A memory of what happened: the newest step takes the place of the oldest, and batches are drawn from all of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from apps.reinforcement.environments import Step, World
from apps.reinforcement.networks import tensors


@dataclass(frozen=True)
class Batch:
    """B remembered steps: observations (B, O), actions (B,) or (B, A), rewards (B,), following (B, O), terminated (B,),
    weights (B,) that undo what unequal chances of being drawn have done; places: where in the memory they stand."""

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    following: Tensor
    terminated: Tensor
    weights: Tensor
    places: np.ndarray


class Replay:
    """The last `room` steps. Lin 1992; with priorities, Schaul et al. 2016, proportional variant.

    Whether an episode was cut off is not remembered: such a step is like any other, only a termination is not.
    Differences from Schaul et al.: a cumulative sum in place of a sum tree, with the same chances.
    """

    ALPHA, BETA, BETA_STEPS = 0.6, 0.4, 50_000  # table 3 of the paper; β grows to 1 within so many draws
    LEAST = 1e-3  # priority of a step whose error is 0

    def __init__(self, world: World, room: int, prioritised: bool = False) -> None:
        size = len(world.scale)
        self.room, self.prioritised = room, prioritised
        self.observations, self.following = np.zeros((room, size), np.float32), np.zeros((room, size), np.float32)
        self.actions = np.zeros(room, np.int64) if world.discrete else np.zeros((room, world.outputs), np.float32)
        self.rewards, self.terminated = np.zeros(room, np.float32), np.zeros(room, np.float32)
        self.errors = np.zeros(room, np.float32)  # the last TD error of each; NaN before it was ever drawn
        self.priorities = np.zeros(room)
        self.highest = 1.0  # priority so far: that of what has never been drawn
        self.added = self.draws = 0

    def __len__(self) -> int:
        return min(self.added, self.room)

    def add(self, step: Step) -> None:
        """Remember one copy's step."""
        place = self.added % self.room
        self.observations[place], self.actions[place] = step.observations[0], step.actions[0]
        self.rewards[place], self.following[place] = step.rewards[0], step.following[0]
        self.terminated[place], self.errors[place] = step.terminated[0], np.nan
        self.priorities[place] = self.highest
        self.added += 1

    def sample(self, count: int) -> Batch:
        """`count` steps, each drawn from all: the same one may come twice, so that a batch may be larger than the
        memory. P(i) = p_i^α / Σ p^α, weights (N P(i))^-β over the largest of them: eq. 1 and section 3.4."""
        size = len(self)
        if not self.prioritised:
            places, weights = np.random.randint(size, size=count), np.ones(count, np.float32)
        else:
            sums = np.cumsum(self.priorities[:size])
            places = np.minimum(np.searchsorted(sums, np.random.random(count) * sums[-1], side="right"), size - 1)
            beta = min(1.0, self.BETA + (1 - self.BETA) * self.draws / self.BETA_STEPS)
            weights = (size * self.priorities[places] / sums[-1]) ** -beta
            weights = (weights / weights.max()).astype(np.float32)
            self.draws += 1
        columns = (self.observations, self.actions, self.rewards, self.following, self.terminated)
        observations, actions, rewards, following, terminated = tensors(
            *(column.take(places, axis=0) for column in columns)
        )
        return Batch(observations, actions, rewards, following, terminated, tensors(weights)[0], places)

    def learned(self, places: np.ndarray, errors: np.ndarray) -> None:
        """The TD errors of a batch: p_i = (|δ_i| + ε)^α from now on."""
        self.errors[places] = errors
        if self.prioritised:
            priorities = (np.abs(errors) + self.LEAST) ** self.ALPHA
            self.priorities[places] = priorities
            self.highest = max(self.highest, float(priorities.max()))

    def state_dict(self) -> dict[str, Any]:
        """What is in it, without the empty rest."""
        kept = {name: getattr(self, name)[: len(self)] for name in self.columns()}
        return {"columns": kept, "highest": self.highest, "added": self.added, "draws": self.draws}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.highest, self.added, self.draws = state["highest"], state["added"], state["draws"]
        for name, values in state["columns"].items():
            getattr(self, name)[: len(values)] = values

    def columns(self) -> list[str]:
        """Names of the arrays with a row for each step."""
        return [name for name, value in vars(self).items() if isinstance(value, np.ndarray)]
