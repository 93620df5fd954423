"""DDPG: for actions that are amounts; a critic says what an action is worth, an actor climbs the critic's slope."""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apps.reinforcement.agent import Agent, finite, states
from apps.reinforcement.environments import Step, World
from apps.reinforcement.networks import Adam, Quick, Weights, mlp
from apps.reinforcement.replay import Replay
from shared.live.experiment import Curves, View


@dataclass(frozen=True)
class Settings:
    """What suits an environment; all in steps of the environment."""

    learning_rate: float = 1e-3  # of actor and critic
    discount: float = 0.98  # γ
    warm_up: int = 1000  # steps by lot before the first update
    follow: float = 0.005  # τ: the share of the way that a target network goes at each update
    noise: float = 0.1  # standard deviation of what is tried, in actions that go from -1 to 1
    actor_every: int = 2  # of the delayed actor's updates
    smoothing: float = 0.2  # standard deviation of the noise in a smoothed target, ...
    smoothing_most: float = 0.5  # ... which never goes beyond this
    width: int = 128


ROBOT = Settings(discount=0.99, width=256)  # near enough to Fujimoto's, appendix C
SETTINGS = {
    "Pendulum-v1": Settings(),
    "MountainCarContinuous-v0": Settings(discount=0.99, noise=0.5),
    "InvertedPendulum-v5": replace(ROBOT, width=64),
    "Reacher-v5": replace(ROBOT, discount=0.98, width=128),
    "HalfCheetah-v5": replace(ROBOT, warm_up=10_000, width=128),
    "Hopper-v5": replace(ROBOT, width=128),
}


def td_target(rewards: Tensor, terminated: Tensor, discount: float, following: list[Tensor]) -> Tensor:
    """r + γ min Q'(s', a'), r alone where the episode terminated; one Q' is DDPG's, the lesser of two TD3's.

    All (B,). Lillicrap et al. 2016, algorithm 1; Fujimoto et al. 2018, eq. 10.
    """
    least = torch.stack(following).min(dim=0).values
    return rewards + discount * (1 - terminated) * least


class DDPG(Agent):
    """Deep deterministic policy gradient. Lillicrap et al. 2016, algorithm 1; with all three switches it is TD3,
    Fujimoto, van Hoof & Meger 2018, algorithm 1.

    Differences from the papers: Gaussian noise in place of an Ornstein-Uhlenbeck process; no batch normalisation;
    the first steps are taken by lot; small networks, one learning rate for both.
    """

    shown_every = 1
    kept = ("actor", "critics", "actor_target", "critic_targets", "replay", "steps", "sampled", "by_lot")

    def __init__(
        self, world: World, twin: bool, delayed: bool, smoothed: bool, replay_size: int, batch_size: int
    ) -> None:
        self.settings = SETTINGS[world.id]
        super().__init__(world, self.settings.learning_rate)
        self.delayed, self.smoothed, self.batch_size = delayed, smoothed, batch_size
        size, motors, width = len(world.scale), world.outputs, self.settings.width
        self.actor, self.actor_target = (mlp(size, motors, width, nn.ReLU, last_gain=0.01) for _ in range(2))
        self.critics, self.critic_targets = (
            nn.ModuleList(mlp(size + motors, 1, width, nn.ReLU) for _ in range(2 if twin else 1)) for _ in range(2)
        )
        self.actor_weights, self.critic_weights = Weights(self.actor), Weights(self.critics)
        self.target_weights = (Weights(self.actor_target), Weights(self.critic_targets))
        self.target_weights[0].copy(self.actor_weights)
        self.target_weights[1].copy(self.critic_weights)
        self.acting, self.quick_critics = Quick(self.actor), [Quick(critic) for critic in self.critics]
        self.optimizers = {
            "actor": Adam(self.actor_weights, self.base_rate),
            "critics": Adam(self.critic_weights, self.base_rate),
        }
        self.replay = Replay(world, replay_size)
        self.steps = 0
        self.by_lot = self.settings.warm_up  # so many of the first steps; none of somebody who can do something already
        self.sampled = np.zeros(0, np.int64)

    def act(self, observations: np.ndarray) -> np.ndarray:
        if self.steps < self.by_lot:
            return np.random.uniform(-1, 1, (1, self.world.outputs)).astype(np.float32)
        return np.clip(self.choose(self.acting(observations), 1.0), -1, 1)

    def learn(self, step: Step) -> None:
        self.replay.add(step)
        self.steps += 1
        if self.steps >= self.settings.warm_up:
            self.update()
        self.metrics["remembered"] = len(self.replay)

    def update(self) -> None:
        """One batch from the memory: the critics learn from it, and, unless it is to wait, the actor from them."""
        s, batch = self.settings, self.replay.sample(self.batch_size)
        target = self.target(batch.rewards, batch.following, batch.terminated)
        pairs = torch.cat([batch.observations, batch.actions], dim=1)
        guesses = [critic(pairs).squeeze(1) for critic in self.critics]
        loss = torch.stack([F.mse_loss(guess, target) for guess in guesses]).sum()
        self.critic_weights.descend(loss)
        self.optimizers["critics"].step()
        self.updates += 1
        if not self.delayed or self.updates % s.actor_every == 0:
            self.improve_actor(batch.observations)
            self.target_weights[0].follow(self.actor_weights, s.follow)
            self.target_weights[1].follow(self.critic_weights, s.follow)
        self.replay.learned(batch.places, (target - guesses[0]).detach().numpy())
        self.sampled = batch.places
        self.metrics["loss"] = finite(loss.item(), self.updates)

    @torch.no_grad()
    def target(self, rewards: Tensor, following: Tensor, terminated: Tensor) -> Tensor:
        """What Q(s, a) should have been. Smoothed: as if a' might have been a little different. Fujimoto, eq. 14."""
        s, action = self.settings, torch.tanh(self.actor_target(following))
        if self.smoothed:
            noise = (s.smoothing * torch.randn_like(action)).clamp(-s.smoothing_most, s.smoothing_most)
            action = (action + noise).clamp(-1, 1)
        pairs = torch.cat([following, action], dim=1)
        return td_target(rewards, terminated, s.discount, [critic(pairs).squeeze(1) for critic in self.critic_targets])

    def improve_actor(self, observations: Tensor) -> None:
        """Up the slope of the first critic: ∇_a Q(s, a) ∇_θ μ(s) at a = μ(s). Silver et al. 2014, eq. 9."""
        actions = torch.tanh(self.actor(observations))
        for weight in self.critics[0].parameters():
            weight.requires_grad_(False)  # the slope goes through the critic and leaves it as it is
        loss = -self.critics[0](torch.cat([observations, actions], dim=1)).mean()
        self.actor_weights.descend(loss)
        self.optimizers["actor"].step()
        for weight in self.critics[0].parameters():
            weight.requires_grad_(True)

    # -- what there is to see ------------------------------------------------------------------------------

    def choose(self, out: np.ndarray, temperature: float) -> np.ndarray:
        """tanh of the actor's output, and noise if there is to be any."""
        noise = temperature * self.settings.noise * np.random.standard_normal(out.shape) if temperature > 0 else 0.0
        return (np.tanh(out) + noise).astype(np.float32)

    def shown(self, out: np.ndarray) -> np.ndarray:
        """The A amounts, then the spread of what is tried, the same for all of them."""
        return np.append(np.tanh(out), self.settings.noise).astype(np.float32)

    def judged(self, observation: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """The first critic's Q(s, a) for one state and several actions (N, A)."""
        pairs = np.column_stack([np.repeat(observation[None], len(actions), 0), actions]).astype(np.float32)
        return self.quick_critics[0](pairs)[:, 0] / self.world.reward_scale

    def value(self, observation: np.ndarray) -> float:
        return float(self.judged(observation, np.tanh(self.acting(observation[None])))[0])

    def views(self, observation: np.ndarray) -> dict[str, View]:
        chosen = np.tanh(self.acting(observation[None]))
        actions = np.repeat(chosen, 41, axis=0)
        actions[:, 0] = np.linspace(-1, 1, 41)  # of several motors the others stay as the actor has them
        worth = self.judged(observation, actions)
        upright = np.array([[chosen[0, 0], worth.min()], [chosen[0, 0], worth.max()]], np.float32)
        slope = np.column_stack([actions[:, 0], worth]).astype(np.float32)
        apart = self.replay.observations[: len(self.replay)][:: max(1, len(self.replay) // 400)]
        return {
            "inside": Curves({"critic": slope, "actor": upright}),
            "states": states(self.world, stored=apart, sampled=self.replay.observations[self.sampled]),
        }
