"""Who plays on the stage while an agent learns elsewhere: the agent as it now is, one of its pasts, a person."""

from dataclasses import replace
from typing import Any

import numpy as np

from apps.reinforcement.drawing import draw
from apps.reinforcement.environments import Environments
from apps.reinforcement.networks import Quick
from shared.live.experiment import Sketch

FIRST_START = 2_000_000  # seed of the first episode on the stage; whoever plays there meets the same ones
PAGES = 11  # snapshots in an album


class Player:
    """One episode after another, a step at a time. None of it is learned from."""

    def __init__(self, env: str) -> None:
        self.env = env
        self.environments = Environments(env, 1, FIRST_START)
        self.action: list[float] = []  # the last one; empty at the start of an episode
        self.values: list[float] = []  # what the network thought of each state of the episode
        self.earned: float | None = None  # by the last episode that is over

    @property
    def observation(self) -> np.ndarray:
        """Of the state it stands in, (O,)."""
        return self.environments.observations[0]

    @property
    def seed(self) -> int:
        """Of the start of this episode."""
        return self.environments.seeds[0]

    @property
    def so_far(self) -> float:
        """What this episode has earned."""
        return self.environments.returns[0]

    def begin(self, seed: int) -> None:
        """Back to a start."""
        self.environments.begin(0, seed)
        self.environments.next_seed = seed + 1
        self.action, self.values = [], []

    def move(self, action: np.ndarray, value: float = 0.0) -> bool:
        """One step; `value` is what the state left behind was thought to be worth. True: the episode is over."""
        self.values.append(value)
        self.action = np.ravel(action).tolist()
        self.environments.step(np.asarray(action)[None])
        if not self.environments.finished:
            return False
        self.earned, self.action, self.values = self.environments.finished[0], [], []
        return True

    def sketch(self, keys: tuple[str, ...] = (), title: str = "") -> Sketch:
        """What stands there now."""
        sketch = draw(self.env, self.environments.copies[0], self.action[0] if self.action else None, keys)
        return replace(sketch, title=title)

    def state_dict(self) -> dict[str, Any]:
        own = {"action": list(self.action), "values": list(self.values), "earned": self.earned}
        return own | {"environments": self.environments.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.action, self.values, self.earned = list(state["action"]), list(state["values"]), state["earned"]
        self.environments.load_state_dict(state["environments"])


class Album:
    """Snapshots of a network's weights, from the first on, evenly spread over the run so far.

    When it is full every second one goes, and from then on they are taken half as often.
    """

    def __init__(self, every: int) -> None:
        self.every = every  # steps of the environment between two
        self.steps: list[int] = []
        self.weights: list[list[np.ndarray]] = []
        self.judged: dict[int, float] = {}  # of those that came with the app: steps → the return of an evaluation

    def take(self, steps: int, network: Quick) -> None:
        """To be called after each step; takes one where one is due."""
        if self.steps and steps < self.steps[-1] + self.every:
            return
        if len(self.steps) == PAGES:
            self.steps, self.weights, self.every = self.steps[::2], self.weights[::2], 2 * self.every
            if steps < self.steps[-1] + self.every:
                return
        self.steps.append(steps)
        self.weights.append(network.weights())

    def page(self, place: int) -> int:
        """The snapshot for a place from 0, the first, to PAGES - 1, the newest."""
        return round(place / (PAGES - 1) * (len(self.steps) - 1))

    def state_dict(self) -> dict[str, Any]:
        kept = {"every": self.every, "steps": list(self.steps), "weights": [list(page) for page in self.weights]}
        return kept | {"judged": [[steps, earned] for steps, earned in self.judged.items()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.every, self.steps, self.weights = state["every"], list(state["steps"]), list(state["weights"])
        self.judged = {int(steps): earned for steps, earned in state["judged"]}
