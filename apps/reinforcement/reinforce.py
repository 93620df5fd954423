"""REINFORCE: play an episode to its end, then make likelier whatever was followed by more than expected."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from apps.reinforcement.agent import ActorCritic, finite, states
from apps.reinforcement.environments import Step, World
from apps.reinforcement.networks import Adam, tensors
from shared.live.experiment import Curves, View


@dataclass(frozen=True)
class Settings:
    """What suits an environment."""

    learning_rate: float = 1e-3
    discount: float = 0.99  # γ
    width: int = 64


SETTINGS = {
    "CartPole-v1": Settings(),
    "Acrobot-v1": Settings(),
    "MountainCar-v0": Settings(),
    "LunarLander-v3": Settings(),
    "Pendulum-v1": Settings(discount=0.9),
    "MountainCarContinuous-v0": Settings(),
}


def returns(rewards: np.ndarray, discount: float, tail: float) -> np.ndarray:
    """G_t = r_t + γ G_{t+1} for each t of an episode, (T,); `tail` is what comes after the last."""
    found = np.zeros(len(rewards), np.float32)
    for t in reversed(range(len(rewards))):
        found[t] = tail = float(rewards[t]) + discount * tail
    return found


def policy_loss(log_probs: Tensor, returns: Tensor, baseline: Tensor) -> Tensor:
    """-Σ (G_t - b(s_t)) log π(a_t | s_t), all (T,). Its slope is that of -E[G_0] on average, whatever b is.

    Williams 1992, eq. 4; Sutton & Barto 2018, section 13.4.
    """
    return -((returns - baseline) * log_probs).sum()


class Reinforce(ActorCritic):
    """Monte-Carlo policy gradient. Williams 1992; with a learned baseline, Sutton & Barto 2018, section 13.4.

    Differences from the book: Adam, once an episode, not a step of α for each t; γ^t does not weigh the terms, as
    nearly nobody does; an episode that is cut off goes on in the baseline's value of where it ended, and without a
    baseline it does not go on.
    """

    shown_every = 32
    kept = ("policy", "critic", "episode", "last_returns", "last_values", "last_states")

    def __init__(self, world: World, baseline: bool, squashed: bool = False) -> None:
        self.settings = SETTINGS[world.id]
        super().__init__(world, self.settings.learning_rate, self.settings.width, squashed)
        self.baseline = baseline
        self.optimizers = {"adam": Adam(self.weights, self.base_rate)}
        self.episode: list[tuple[np.ndarray, ...]] = []
        self.last_returns = self.last_values = np.zeros(0, np.float32)
        self.last_states = np.zeros((0, len(world.scale)), np.float32)

    def learn(self, step: Step) -> None:
        self.episode.append((step.observations[0], step.actions[0], step.rewards[0]))
        if step.ended[0]:
            cut_off = self.baseline and not step.terminated[0]
            self.update(float(self.quick_critic(step.following)[0, 0]) if cut_off else 0.0)
            self.episode = []

    def update(self, tail: float) -> None:
        """One whole episode, one step of Adam; the baseline, in weights of its own, learns what to expect."""
        observations, actions, rewards = (np.stack(column) for column in zip(*self.episode, strict=True))
        earned = returns(rewards, self.settings.discount, tail)
        seen, taken, gained = tensors(observations, actions, earned)
        values = self.critic(seen).squeeze(1)
        log_probs, entropy = self.policy(seen, taken)
        baseline = values.detach() if self.baseline else gained * 0
        loss = policy_loss(log_probs, gained, baseline)
        self.weights.descend(loss + (values - gained).square().mean() if self.baseline else loss)
        self.optimizers["adam"].step()
        self.last_returns, self.last_values, self.last_states = earned, baseline.numpy(), observations
        self.updates += 1
        self.metrics |= {"loss": finite(loss.item(), self.updates), "entropy": entropy.mean().item()}

    def views(self, observation: np.ndarray) -> dict[str, View]:
        times = np.arange(len(self.last_returns))
        drawn = {"return_to_come": self.last_returns, "baseline": self.last_values}
        series = {
            name: np.column_stack([times, values / self.world.reward_scale]).astype(np.float32)
            for name, values in drawn.items()
        }
        return {"inside": Curves(series), "states": states(self.world, rollout=self.last_states)}
