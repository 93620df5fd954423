"""DQN: a network learns what each action is worth, from remembered steps and against a slower copy of itself."""

import random
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apps.reinforcement.agent import Agent, finite, histogram, states
from apps.reinforcement.environments import Step, World
from apps.reinforcement.networks import Adam, Quick, Weights, mlp, softmax
from apps.reinforcement.replay import Replay
from shared.live.experiment import View


@dataclass(frozen=True)
class Settings:
    """What suits an environment; all in steps of the environment."""

    learning_rate: float = 3e-4
    discount: float = 0.99  # γ
    warm_up: int = 1000  # steps before the first update
    update_every: int = 2
    follow: float = 0.01  # τ, of the way that the target network goes towards the network after each update
    exploring: int = 5000  # steps within which ε falls from 1 to ...
    epsilon: float = 0.04
    width: int = 128
    longest_gradient: float = 10.0


SETTINGS = {
    "CartPole-v1": Settings(),
    "Acrobot-v1": Settings(),
    "MountainCar-v0": Settings(exploring=24_000, epsilon=0.07),
    "LunarLander-v3": Settings(exploring=12_000, epsilon=0.1),
}


def duelling_values(out: Tensor) -> Tensor:
    """Q = V + A - mean A of a network's (N, 1 + A) outputs, tensors or arrays. Wang et al. 2016, eq. 9."""
    value, advantage = out[:, :1], out[:, 1:]
    return value + advantage - advantage.mean(axis=1, keepdims=True)


def td_target(rewards: Tensor, terminated: Tensor, discount: float, following: Tensor, chosen: Tensor) -> Tensor:
    """r + γ Q(s', a'), r alone where the episode terminated; not where it was only cut off. Mnih et al. 2015, eq. 1.

    following: Q(s', ·) of the target network, (B, A). chosen: a', (B,): who chooses it is what "double" is about.
    """
    return rewards + discount * (1 - terminated) * following.gather(1, chosen[:, None]).squeeze(1)


class DQN(Agent):
    """Deep Q-network. Mnih et al. 2015, algorithm 1; double: van Hasselt et al. 2016; duelling: Wang et al. 2016;
    prioritised replay: Schaul et al. 2016.

    Differences from the papers: the state is a few numbers, not pictures, so the network is small; Adam, not RMSProp;
    an update every second step, not every fourth; Huber's loss where Mnih et al. clip the error; the target network
    follows the network a little at every update (Lillicrap et al. 2016) in place of becoming it now and then; the
    duelling network's streams part at its last layer.
    """

    shown_every = 5
    kept = ("network", "target_network", "replay", "steps", "sampled")

    def __init__(
        self, world: World, double: bool, duelling: bool, prioritised: bool, replay_size: int, batch_size: int
    ) -> None:
        self.settings = SETTINGS[world.id]
        super().__init__(world, self.settings.learning_rate)
        self.double, self.duelling, self.batch_size = double, duelling, batch_size
        size = (len(world.scale), world.outputs + duelling, self.settings.width)
        self.network, self.target_network = mlp(*size, nn.ReLU), mlp(*size, nn.ReLU)
        self.weights, self.target_weights = Weights(self.network), Weights(self.target_network)
        self.target_weights.copy(self.weights)
        self.acting = Quick(self.network)
        self.optimizers = {"adam": Adam(self.weights, self.base_rate)}
        self.replay = Replay(world, replay_size, prioritised)
        self.steps = 0
        self.sampled = np.zeros(0, np.int64)  # places in the memory of the last batch

    @property
    def epsilon(self) -> float:
        """Share of actions taken at random: from 1 down to the settings' in a straight line."""
        return max(self.settings.epsilon, 1 - (1 - self.settings.epsilon) * self.steps / self.settings.exploring)

    def act(self, observations: np.ndarray) -> np.ndarray:
        if random.random() < self.epsilon:
            return np.array([random.randrange(self.world.outputs)])
        return self.choose(self.acting(observations), 0.0)

    def learn(self, step: Step) -> None:
        self.replay.add(step)
        self.steps += 1
        if self.steps >= self.settings.warm_up and self.steps % self.settings.update_every == 0:
            self.update()
        self.metrics |= {"epsilon": self.epsilon, "remembered": len(self.replay)}

    def update(self) -> None:
        """One batch from the memory, one step of Adam."""
        batch = self.replay.sample(self.batch_size)
        target = self.target(batch.rewards, batch.following, batch.terminated)
        old = self.q_values(self.network, batch.observations).gather(1, batch.actions[:, None]).squeeze(1)
        loss = (batch.weights * F.smooth_l1_loss(old, target, reduction="none")).mean()
        self.weights.descend(loss, self.settings.longest_gradient)
        self.optimizers["adam"].step()
        self.target_weights.follow(self.weights, self.settings.follow)
        self.replay.learned(batch.places, (target - old).detach().numpy())
        self.sampled = batch.places
        self.updates += 1
        self.metrics["loss"] = finite(loss.item(), self.updates)

    @torch.no_grad()
    def target(self, rewards: Tensor, following: Tensor, terminated: Tensor) -> Tensor:
        """What Q(s, a) should have been. Double: the network chooses a', the target network says what it is worth."""
        later = self.q_values(self.target_network, following)
        chooser = self.q_values(self.network, following) if self.double else later
        return td_target(rewards, terminated, self.settings.discount, later, chooser.argmax(dim=1))

    def q_values(self, network: nn.Module, observations: Tensor) -> Tensor:
        """Q(s, ·), (B, A)."""
        out = network(observations)
        return duelling_values(out) if self.duelling else out

    # -- what there is to see ------------------------------------------------------------------------------

    def values(self, out: np.ndarray) -> np.ndarray:
        """The acting network's outputs as action values, (N, A)."""
        return duelling_values(out) if self.duelling else out

    def choose(self, out: np.ndarray, temperature: float) -> np.ndarray:
        """The best action, or by lot, with the action values over the temperature as logits."""
        q = self.values(out)
        if temperature > 0:
            q = np.log(softmax(q / temperature) + 1e-12) + np.random.gumbel(size=q.shape)
        return q.argmax(axis=1)

    def shown(self, out: np.ndarray) -> np.ndarray:
        return self.values(out[None])[0] / self.world.reward_scale

    def value(self, observation: np.ndarray) -> float:
        return float(self.shown(self.acting(observation[None])[0]).max())

    def views(self, observation: np.ndarray) -> dict[str, View]:
        known = self.replay.errors[: len(self.replay)]
        sampled = self.replay.errors[self.sampled]
        known, sampled = known[~np.isnan(known)], sampled[~np.isnan(sampled)]  # what is new has no error yet
        reach = max(0.1, float(np.abs(known).max(initial=0)))
        stored = self.replay.observations[: len(self.replay)]
        apart = stored[:: max(1, len(stored) // 400)]  # evenly from the whole memory
        return {
            "inside": histogram({}, -reach, reach, stored=known, sampled=sampled),
            "states": states(self.world, stored=apart, sampled=self.replay.observations[self.sampled]),
        }
