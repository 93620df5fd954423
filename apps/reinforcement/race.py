"""Two to four algorithms learn side by side: one environment, one seed, and always the same number of its steps.

Each is a run of control.py with random numbers of its own, so that it goes as it would go alone.
"""

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from apps.reinforcement.control import Control, ControlConfig
from apps.reinforcement.environments import WORLDS
from shared.live.experiment import Curves, Experiment, Frame, Plain, Value, View, knob

LANES = ("first", "second", "third", "fourth")
# What may take part → how its knobs differ from control.py's defaults.
RACERS: dict[str, dict[str, Any]] = {
    "dqn": {"algorithm": "dqn"},
    "double_dqn": {"algorithm": "dqn", "double": True},
    "reinforce": {"algorithm": "reinforce"},
    "a3c": {"algorithm": "a3c"},
    "a2c": {"algorithm": "a3c", "synchronous": True},
    "ppo": {"algorithm": "ppo"},
    "ddpg": {"algorithm": "ddpg"},
    "td3": {"algorithm": "ddpg", "twin_critics": True, "delayed_actor": True, "smoothed_target": True},
}
STRIDE = 16  # steps of the environment of each racer in one step of the race
NOBODY = "none"


@dataclass(frozen=True)
class RaceConfig:
    """The settings; everything else is as control.py has it."""

    env: str = knob("CartPole", choices=tuple(WORLDS))
    first: str = knob("ppo", choices=tuple(RACERS))
    second: str = knob("a3c", choices=tuple(RACERS))
    third: str = knob("dqn", choices=(NOBODY, *RACERS))
    fourth: str = knob(NOBODY, choices=(NOBODY, *RACERS))
    learning_rate_factor: float = knob(1.0, low=0.01, high=10.0, scale="log", live=True)  # of each, × its usual one
    temperature: float = knob(0.0, low=0.0, high=2.0, live=True)  # of those shown; 0 = greedy


class Racer:
    """A run of control.py, and the global generators (torch, numpy, Python) as it left them."""

    def __init__(self, name: str, config: RaceConfig, seed: int) -> None:
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        self.name = name
        self.control = Control(ControlConfig(env=config.env, **RACERS[name]), seed)
        self.leave()

    def leave(self) -> None:
        """Keep the generators' states until its next turn."""
        self.chances: tuple[Any, Any, Any] = (torch.get_rng_state(), np.random.get_state(), random.getstate())

    def run_to(self, env_steps: int) -> None:
        """Learn until it has taken so many steps of the environment, and has nothing left to learn from them."""
        torch.set_rng_state(self.chances[0])
        np.random.set_state(self.chances[1])
        random.setstate(self.chances[2])
        while self.control.env_steps < env_steps or self.control.agent.pending:
            self.control.advance()
        self.leave()

    def state_dict(self) -> dict[str, Any]:
        """The run, and the three states as tensors, numbers and lists."""
        torch_state, (kind, keys, *rest), (version, words, gauss) = self.chances
        chances = {"torch": torch_state, "numpy": [kind, keys.tolist(), *rest], "python": [version, list(words), gauss]}
        return {"control": self.control.state_dict(), **chances}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.control.load_state_dict(state["control"])
        kind, keys, *rest = state["numpy"]
        version, words, gauss = state["python"]
        numpy_state = (kind, np.asarray(keys, np.uint32), *rest)
        self.chances = (state["torch"], numpy_state, (version, tuple(words), gauss))


class Race(Experiment[RaceConfig]):
    """The algorithms of control.py against each other. Papers and differences stand at each of them.

    Steps of the environment are what is made equal: neither updates nor seconds.
    """

    id = "reinforcement/race"
    step_seconds = 60.0  # a step of the race may hold a whole update of PPO

    def __init__(self, config: RaceConfig, seed: int) -> None:
        super().__init__(config, seed)
        chosen = [name for name in (getattr(config, lane) for lane in LANES) if name != NOBODY]
        for name in chosen:
            if chosen.count(name) > 1:
                raise Plain("race_twice", name=name)
        self.racers = [Racer(name, config, seed) for name in chosen]
        self.env_steps = 0

    def step(self) -> None:
        """Everybody takes STRIDE steps of the environment, one after the other."""
        self.env_steps += STRIDE
        for racer in self.racers:
            racer.run_to(self.env_steps)

    def on_knob(self, name: str, value: Value) -> None:
        """A rate or a temperature is everybody's."""
        super().on_knob(name, value)
        for racer in self.racers:
            racer.control.on_knob(name, value)

    def frame(self) -> Frame:
        """The agents at play, and the mean returns of all of them over steps of the environment."""
        metrics: dict[str, float] = {"env_steps": self.env_steps}
        views: dict[str, View] = {}
        means: dict[str, np.ndarray] = {}
        for lane, racer in zip(LANES, self.racers, strict=False):
            control = racer.control
            views[lane] = replace(control.shown.sketch(), title=f"racer_{racer.name}")
            means[f"racer_{racer.name}"] = control.returns.curves()["episode_return_mean_100"]
            if control.recent:
                metrics[f"{lane}_mean"] = sum(control.recent) / len(control.recent)
        return Frame(metrics, views | {"means": Curves(means)})

    def state_dict(self) -> dict[str, Any]:
        state = {"step_count": self.step_count, "env_steps": self.env_steps}
        return state | {"racers": [racer.state_dict() for racer in self.racers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step_count, self.env_steps = state["step_count"], state["env_steps"]
        for racer, kept in zip(self.racers, state["racers"], strict=True):
            racer.load_state_dict(kept)
