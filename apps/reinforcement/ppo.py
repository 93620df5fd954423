"""PPO: learn from one batch several times over, and never move the policy far from the one that gathered it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from apps.reinforcement.agent import ActorCritic, finite, histogram, states
from apps.reinforcement.environments import Step, World
from apps.reinforcement.networks import Adam, tensors
from shared.live.experiment import View


@dataclass(frozen=True)
class Settings:
    """What suits an environment; each begins with RL Baselines3 Zoo's, for eight copies."""

    rollout: int = 128  # steps of each copy between two updates
    epochs: int = 10  # times over the batch
    minibatch: int = 256
    learning_rate: float = 3e-4
    discount: float = 0.99  # γ
    trace_decay: float = 0.95  # λ
    entropy_weight: float = 0.0
    value_weight: float = 0.5
    longest_gradient: float = 0.5
    width: int = 64


SETTINGS = {
    "CartPole-v1": Settings(32, 20, 256, 1e-3, 0.98, 0.8),
    "Acrobot-v1": Settings(128, 4, 256, 1e-3, 0.99, 0.94),
    "MountainCar-v0": Settings(64, 4, 128, 1e-3, 0.99, 0.98),
    "LunarLander-v3": Settings(256, 4, 64, 3e-4, 0.999, 0.98, 0.01),
    "Pendulum-v1": Settings(256, 10, 64, 1e-3, 0.9, 0.95),
    "MountainCarContinuous-v0": Settings(128, 10, 256, 3e-4, 0.999, 0.9, 0.003),
    "InvertedPendulum-v5": Settings(64, 10, 64, 1e-3),
    "Reacher-v5": Settings(256, 10, 64, 3e-4, 0.98, 0.95),
    "HalfCheetah-v5": Settings(256, 10, 64, 3e-4),
    "Hopper-v5": Settings(256, 10, 64, 3e-4),
}


def advantages(
    rewards: np.ndarray,
    values: np.ndarray,
    next_values: np.ndarray,
    terminated: np.ndarray,
    ended: np.ndarray,
    discount: float,
    trace_decay: float,
) -> np.ndarray:
    """A_t = δ_t + γλ A_{t+1}, δ_t = r_t + γ V(s_{t+1}) - V(s_t); all (T, …). Schulman et al. 2016, eq. 16.

    A terminated episode has nothing more to come, so V(s_{t+1}) counts for 0; one that was cut off would have gone
    on, so it counts. In either case the sum stops there.
    """
    found, later = np.zeros_like(values), np.zeros_like(values[0])
    errors = rewards + discount * next_values * ~terminated - values
    onward = discount * trace_decay * ~ended
    for t in reversed(range(len(rewards))):
        found[t] = later = errors[t] + onward[t] * later
    return found


def clipped_loss(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """-min(r A, clip(r, 1-ε, 1+ε) A), averaged; r = π(a|s) / π_old(a|s), both (N,). Schulman et al. 2017, eq. 7."""
    return -torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


class PPO(ActorCritic):
    """Proximal policy optimisation. Schulman, Wolski, Dhariwal, Radford & Klimov 2017, algorithm 1.

    Differences from the paper: two networks instead of one with two heads; advantages are normalised in each
    minibatch; gradients are shortened; an episode that is cut off goes on in the value of where it ended; neither the
    rate nor the clip falls with time, since nobody says how long a run will be.
    """

    copies = 8
    kept = ("policy", "critic", "rollout", "ratios", "batch", "flat", "pending")
    shown_every = 32

    def __init__(self, world: World, clip: float, squashed: bool = False) -> None:
        self.settings = SETTINGS[world.id]
        super().__init__(world, self.settings.learning_rate, self.settings.width, squashed)
        self.clip = clip
        self.optimizers = {"adam": Adam(self.weights, self.base_rate)}
        self.metrics["clipped"] = 0.0
        self.rollout: list[tuple[np.ndarray, ...]] = []
        self.flat: tuple[Tensor, ...] = ()  # the rollout that is being learned from, a row a step
        self.pending: list[Tensor] = []  # rows of the minibatches still to come
        self.ratios = np.zeros(0, np.float32)  # of the last epoch so far
        self.batch = np.zeros((0, len(world.scale)), np.float32)  # the states of the last rollout

    def act(self, observations: np.ndarray) -> np.ndarray:
        while self.pending:
            self.improve()
        return super().act(observations)

    def learn(self, step: Step) -> None:
        out = self.acting(step.observations)  # the very one that the actions were drawn from
        log_probs = self.policy.log_probs(out, step.actions)
        kept = (step.observations, step.actions, log_probs, step.rewards, step.following, step.terminated, step.ended)
        self.rollout.append(kept)
        if len(self.rollout) == self.settings.rollout:
            self.prepare()
            self.rollout = []

    def prepare(self) -> None:
        """What each step of a rollout was worth, and in which order they are learned from, several times over."""
        s = self.settings
        columns = [np.stack(column) for column in zip(*self.rollout, strict=True)]  # (T, copies, …) each
        observations, actions, log_probs, rewards, following, terminated, ended = columns
        values, next_values = self.quick_critic(observations)[..., 0], self.quick_critic(following)[..., 0]
        advantage = advantages(rewards, values, next_values, terminated, ended, s.discount, s.trace_decay)
        columns = [observations, actions, log_probs, advantage, advantage + values]  # the last: λ-returns
        self.flat = tensors(*(column.reshape(-1, *column.shape[2:]) for column in columns))
        self.batch = self.flat[0].numpy()
        count = len(self.batch)
        self.pending = [rows for _ in range(s.epochs) for rows in torch.randperm(count).split(s.minibatch)]

    def improve(self) -> None:
        """One step of Adam on the next minibatch."""
        rows = self.pending.pop(0)
        observations, actions, old_log_probs, advantage, returns = (column[rows] for column in self.flat)
        log_probs, entropy = self.policy(observations, actions)
        ratio = (log_probs - old_log_probs).exp()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        value_loss = (self.critic(observations).squeeze(1) - returns).square().mean()
        loss = clipped_loss(ratio, advantage, self.clip) + self.settings.value_weight * value_loss
        loss = loss - self.settings.entropy_weight * entropy.mean()
        self.weights.descend(loss, self.settings.longest_gradient)
        self.optimizers["adam"].step()
        self.updates += 1
        self.metrics |= {"loss": finite(loss.item(), self.updates), "entropy": entropy.mean().item()}
        self.remember(ratio.detach().numpy())

    def remember(self, ratio: np.ndarray) -> None:
        """The ratios of as many steps as a rollout has, the latest ones."""
        self.ratios = np.concatenate([self.ratios, ratio])[-len(self.batch) :]
        self.metrics["clipped"] = float((np.abs(self.ratios - 1) > self.clip).mean())

    def views(self, observation: np.ndarray) -> dict[str, View]:
        marks = {"clip_low": 1 - self.clip, "clip_high": 1 + self.clip}
        inside = histogram(marks, 0.5, 1.5, ratio=self.ratios)
        return {"inside": inside, "states": states(self.world, rollout=self.batch)}
