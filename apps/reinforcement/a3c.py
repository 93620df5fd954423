"""A3C: several learners, each with a copy of the network that is already out of date, all teach the one network."""

import random
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from apps.reinforcement.agent import ActorCritic, actor_and_critic, finite, states
from apps.reinforcement.drawing import Drawing
from apps.reinforcement.environments import Step, World
from apps.reinforcement.networks import Policy, Quick, RMSProp, Weights, tensors
from shared.live.experiment import Sketch, View

PROCESSORS = 4  # learners that can step at the same time; the others wait their turn
LANDINGS = 64  # remembered for the timeline


@dataclass(frozen=True)
class Settings:
    """What suits an environment."""

    learning_rate: float = 7e-4
    rollout: int = 20  # t_max
    discount: float = 0.99  # γ
    entropy_weight: float = 0.01  # β
    value_weight: float = 0.5
    longest_gradient: float = 0.5
    width: int = 64


SETTINGS = {
    "CartPole-v1": Settings(),
    "Acrobot-v1": Settings(),
    "MountainCar-v0": Settings(),
    "LunarLander-v3": Settings(),
    "Pendulum-v1": Settings(discount=0.9),
    "MountainCarContinuous-v0": Settings(),
}


def n_step_returns(
    rewards: np.ndarray, next_values: np.ndarray, terminated: np.ndarray, ended: np.ndarray, discount: float
) -> np.ndarray:
    """R_t = r_t + γ R_{t+1}, all (T, …); after the last step, and where an episode was cut off, V goes on.

    Mnih et al. 2016, algorithm S3: R = 0 for a terminal state, V(s) for any other.
    """
    found, later = np.zeros_like(next_values), next_values[-1]
    own = rewards + discount * (ended & ~terminated) * next_values
    onward = discount * ~ended
    for t in reversed(range(len(rewards))):
        found[t] = later = own[t] + onward[t] * later
    return found


def actor_critic_loss(
    log_probs: Tensor, entropy: Tensor, values: Tensor, returns: Tensor, entropy_weight: float, value_weight: float
) -> Tensor:
    """-(R - V) log π - β H + c (R - V)², averaged; all (N,). Mnih et al. 2016, section 4."""
    advantage = returns - values
    return (-advantage.detach() * log_probs - entropy_weight * entropy + value_weight * advantage.square()).mean()


class A3C(ActorCritic):
    """Asynchronous advantage actor-critic. Mnih et al. 2016, algorithm S3; synchronous: A2C.

    A learner copies the network, plays t_max steps with the copy, computes a gradient for the copy, and applies it to
    the network as it is by then, changed meanwhile by all the others. Differences from the paper: the learners take
    turns by lot, four of eight at a time, as on a machine with four processors, so that a seed says who lands when;
    two networks share nothing; gradients are shortened.
    """

    copies = 8
    shown_every = 32
    kept = ("policy", "critic", "learners", "rollouts", "copied", "landings", "tick", "turn", "last_states")

    def __init__(self, world: World, synchronous: bool, squashed: bool = False) -> None:
        self.settings = SETTINGS[world.id]
        super().__init__(world, self.settings.learning_rate, self.settings.width, squashed)
        self.synchronous = synchronous
        pairs = [actor_and_critic(world, self.settings.width, squashed) for _ in range(self.copies)]
        self.learners = nn.ModuleList(nn.ModuleList(pair) for pair in pairs)
        self.copied_weights = [Weights(*pair) for pair in pairs]  # θ' of each, where self.weights is θ
        self.policies: list[Policy] = [policy for policy, _ in pairs]
        self.critics = [Quick(critic) for _, critic in pairs]
        self.rmsprop = RMSProp(self.weights, self.base_rate)
        self.optimizers = {"rmsprop": self.rmsprop}
        self.rollouts: list[list[tuple[np.ndarray, ...]]] = [[] for _ in range(self.copies)]
        self.metrics["copy_age"] = 0.0
        self.tick = 0
        self.copied = [[0, 0] for _ in range(self.copies)]  # when each learner's copy was made: tick, updates so far
        self.landings: list[list[int]] = []  # learner, tick of the copy, tick of the landing, age
        self.turn = list(range(self.copies))
        self.last_states = np.zeros((0, len(world.scale)), np.float32)
        for place in range(self.copies):
            self.copy(place)

    def copy(self, place: int) -> None:
        """θ' ← θ: a learner takes the network as it now stands."""
        self.copied_weights[place].copy(self.weights)
        self.copied[place], self.rollouts[place] = [self.tick, self.updates], []

    def turns(self) -> list[int]:
        """Who steps now: all together, or as many as there are processors, by lot."""
        if not self.synchronous:
            self.turn = random.sample(range(self.copies), PROCESSORS)
        return self.turn

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Each by its own copy."""
        policies = [self.policies[place] for place in self.turn]
        return np.concatenate([p.draw(p.quick(row[None])) for p, row in zip(policies, observations, strict=True)])

    def learn(self, step: Step) -> None:
        self.tick += 1
        columns = (step.observations, step.actions, step.rewards, step.following, step.terminated, step.ended)
        for row, place in enumerate(self.turn):
            self.rollouts[place].append(tuple(column[row] for column in columns))
        if self.synchronous:
            if len(self.rollouts[0]) == self.settings.rollout:
                self.land(list(range(self.copies)))
            return
        for row, place in enumerate(self.turn):
            if step.ended[row] or len(self.rollouts[place]) == self.settings.rollout:
                self.land([place])

    def land(self, places: list[int]) -> None:
        """The gradient of one learner's rollout, or of everybody's at once, reaches the network."""
        loss = self.loss(places)
        gradient = self.copied_weights[places[0]].descend(loss, self.settings.longest_gradient)  # for θ', the copy
        self.rmsprop.step(gradient)  # to θ, as it is by now
        for place in places:
            tick, version = self.copied[place]
            self.landings = [*self.landings[1 - LANDINGS :], [place, tick, self.tick, self.updates - version]]
        self.updates += 1
        for place in places:
            self.copy(place)
        self.metrics["loss"] = finite(loss.item(), self.updates)
        self.metrics["copy_age"] = float(np.mean([entry[3] for entry in self.landings]))

    def loss(self, places: list[int]) -> Tensor:
        """Of the rollouts of these learners, for the first one's copy; together they all have the same one."""
        s, (policy, critic) = self.settings, self.learners[places[0]]
        parts = [[np.stack(column) for column in zip(*self.rollouts[place], strict=True)] for place in places]
        columns = [np.stack(column, axis=1) for column in zip(*parts, strict=True)]  # (T, learners, …)
        observations, actions, rewards, following, terminated, ended = columns
        next_values = self.critics[places[0]](following)[..., 0]
        earned = n_step_returns(rewards, next_values, terminated, ended, s.discount)
        self.last_states = observations.reshape(-1, observations.shape[-1])
        seen, taken, gained = tensors(*(a.reshape(-1, *a.shape[2:]) for a in (observations, actions, earned)))
        log_probs, entropy = policy(seen, taken)
        self.metrics["entropy"] = entropy.mean().item()
        return actor_critic_loss(log_probs, entropy, critic(seen).squeeze(1), gained, s.entropy_weight, s.value_weight)

    # -- what there is to see ------------------------------------------------------------------------------

    def views(self, observation: np.ndarray) -> dict[str, View]:
        return {"inside": self.timeline(), "states": states(self.world, rollout=self.last_states)}

    def timeline(self) -> Sketch:
        """A row for each learner: a bar from the making of its copy to the landing of its gradient, with the number of
        updates that the network had meanwhile from others."""
        drawing, width = Drawing(), 14.0
        begin = min((tick for _, tick, _, _ in self.landings), default=0)
        across = width / max(1, self.tick - begin)

        def bar(kind: str, place: int, since: int, until: int, age: int) -> None:
            left, right = across * (since - begin), across * (until - begin)
            drawing.box(kind, left, max(left, right - 0.04), place + 0.15, place + 0.85, age)

        for place, since, until, age in self.landings:
            bar("landed", place, since, until, age)
        for place, (tick, version) in enumerate(self.copied):
            bar("under_way", place, max(begin, tick), self.tick, self.updates - version)
        return drawing.sketch((0.0, width, 0.0, float(self.copies)))
