"""What every deep agent of this page has in common: it acts, it learns from what followed, it can be looked into."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from torch import nn

from apps.reinforcement.environments import Step, World
from apps.reinforcement.networks import Categorical, Gaussian, Policy, Quick, SquashedGaussian, Weights, mlp
from shared.live.experiment import Histogram, Plain, Plane, View

DOTS = 400  # states drawn of a kind


class Agent:
    """A network that acts, `acting`, and whatever it takes to teach it. Subclasses keep the interface below.

    copies:  of the environment that it learns from at once.
    kept:    attributes that a checkpoint holds, beside the optimisers.
    shown_every: steps of the run for one on the stage, so that it moves about as fast as a person can follow.
    pending: what an update that takes long has still to do; `improve` does the first of it.
    """

    copies: ClassVar[int] = 1
    shown_every: ClassVar[int] = 8
    pending: Sequence[Any] = ()
    kept: ClassVar[tuple[str, ...]] = ()
    acting: Quick

    def __init__(self, world: World, learning_rate: float) -> None:
        self.world = world
        self.base_rate = learning_rate  # the live knob multiplies it
        self.optimizers: dict[str, Any] = {}
        self.updates = 0
        self.metrics: dict[str, float] = {}

    def turns(self) -> list[int]:
        """Places of the copies that take the next step."""
        return list(range(self.copies))

    def act(self, observations: np.ndarray) -> np.ndarray:
        """What to do, and what to try, in each of those copies: (N, O) → actions (N,) or, continuous, (N, A)."""
        raise NotImplementedError

    def learn(self, step: Step) -> None:
        """Remember what followed; update where an update is due."""
        raise NotImplementedError

    def improve(self) -> None:
        """One piece of what is pending, so that nobody waits for all of it; who acts first does the rest at once."""
        raise NotImplementedError

    def choose(self, out: np.ndarray, temperature: float) -> np.ndarray:
        """Actions for the outputs (N, outputs) of `acting`; temperature 0: what it takes to be best."""
        raise NotImplementedError

    def shown(self, out: np.ndarray) -> np.ndarray:
        """What the bars show of one output: probabilities, action values, or mean and spread."""
        raise NotImplementedError

    def value(self, observation: np.ndarray) -> float:
        """What the state is worth to the network, (O,) → discounted, in unscaled rewards."""
        raise NotImplementedError

    def views(self, observation: np.ndarray) -> dict[str, View]:
        """What is inside: "inside", what the last update did, and "states", what it learned from."""
        raise NotImplementedError

    def set_learning_rate(self, factor: float) -> None:
        """All optimisers, `factor` times the usual rate."""
        for optimizer in self.optimizers.values():
            optimizer.learning_rate = factor * self.base_rate

    def state_dict(self) -> dict[str, Any]:
        """The attributes in `kept`, and the optimisers'."""
        state: dict[str, Any] = {"updates": self.updates, "metrics": dict(self.metrics)}
        for name in self.kept:
            value = getattr(self, name)
            state[name] = value.state_dict() if hasattr(value, "state_dict") else value
        return state | {f"optimizer {name}": each.state_dict() for name, each in self.optimizers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            optimizer = name.removeprefix("optimizer ")
            holder: Any = getattr(self, name) if optimizer == name else self.optimizers[optimizer]
            if hasattr(holder, "load_state_dict"):
                holder.load_state_dict(value)
            else:
                setattr(self, name, value)


class ActorCritic(Agent):
    """An agent with a policy and a network that says what a state is worth."""

    def __init__(self, world: World, learning_rate: float, width: int, squashed: bool) -> None:
        super().__init__(world, learning_rate)
        self.policy, self.critic = actor_and_critic(world, width, squashed)
        self.weights = Weights(self.policy, self.critic)
        self.acting, self.quick_critic = self.policy.quick, Quick(self.critic)

    def act(self, observations: np.ndarray) -> np.ndarray:
        return self.policy.draw(self.acting(observations))

    def choose(self, out: np.ndarray, temperature: float) -> np.ndarray:
        return self.policy.draw(out, temperature)

    def shown(self, out: np.ndarray) -> np.ndarray:
        return self.policy.shown(out)

    def value(self, observation: np.ndarray) -> float:
        return float(self.quick_critic(observation[None])[0, 0]) / self.world.reward_scale


def actor_and_critic(world: World, width: int, squashed: bool) -> tuple[Policy, nn.Sequential]:
    """π and V, two networks that share nothing."""
    continuous = SquashedGaussian if squashed else Gaussian
    kind: Callable[[int, int, int], Policy] = Categorical if world.discrete else continuous
    inputs = len(world.scale)
    return kind(inputs, world.outputs, width), mlp(inputs, 1, width, nn.Tanh)


def finite(loss: float, update: int) -> float:
    """`loss` itself. Raises Plain("diverged") where it is no number any more."""
    if not np.isfinite(loss):
        raise Plain("diverged", metric="loss", step=update)
    return loss


def histogram(marks: dict[str, float], low: float, high: float, **values: np.ndarray) -> Histogram:
    """How values fall in 40 bins from low to high, each kind as shares; those outside are in the outermost bins."""
    edges = np.linspace(low, high, 41).astype(np.float32)
    counts = {}
    for name, found in values.items():
        counted, _ = np.histogram(np.clip(found, low, high), edges)
        counts[name] = (counted / max(1, len(found))).astype(np.float32)
    return Histogram(edges, counts, marks)


def states(world: World, **kinds: np.ndarray) -> Plane:
    """Two numbers of each state (N, O) as points; of each kind the last DOTS."""
    across, up, bounds = PLANES[world.id]
    chosen = {name: np.ascontiguousarray(found[-DOTS:][:, [across, up]], np.float32) for name, found in kinds.items()}
    return Plane(bounds, chosen)


# The two numbers of an observation that say most about the state, and the piece of their plane that is drawn.
PLANES = {
    "CartPole-v1": (0, 1, (-2.4, 2.4, -2.4, 2.4)),
    "Acrobot-v1": (1, 3, (-1.0, 1.0, -1.0, 1.0)),
    "MountainCar-v0": (0, 1, (-1.2, 0.6, -1.0, 1.0)),
    "MountainCarContinuous-v0": (0, 1, (-1.2, 0.6, -1.0, 1.0)),
    "LunarLander-v3": (0, 1, (-1.0, 1.0, -0.2, 1.5)),
    "Pendulum-v1": (0, 1, (-1.0, 1.0, -1.0, 1.0)),
    "InvertedPendulum-v5": (0, 1, (-1.0, 1.0, -1.0, 1.0)),
    "Reacher-v5": (8, 9, (-2.0, 2.0, -2.0, 2.0)),
    "HalfCheetah-v5": (1, 8, (-3.0, 3.0, -0.5, 2.0)),
    "Hopper-v5": (0, 5, (0.0, 2.0, -1.0, 1.5)),
}
