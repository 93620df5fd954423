"""DQN for games seen as pictures: a network says what each action is worth, and learns it from remembered decisions.

The memory keeps each picture once. What was seen, four pictures, is put together again when it is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apps.reinforcement.agent import finite
from apps.reinforcement.atari_agent import PATCH, PixelBody, patches
from apps.reinforcement.atari_games import SEEN, SIDE
from apps.reinforcement.dqn import td_target
from apps.reinforcement.networks import adam

SQUARES = SIDE // PATCH  # along a side of a picture


class QNetwork(PixelBody):
    """Q(s, ·) from the body that PPO's network has. Patches (N, 21, 21, 64) → (N, actions), float32."""

    def __init__(self, actions: int, background: float) -> None:
        super().__init__(background)
        self.worth = nn.Linear(256, actions)
        self.begin(((self.worth, 0.1),))

    def forward(self, seen: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return self.worth(self.features(seen))


@dataclass(frozen=True)
class Settings:
    """All in decisions of all copies together, but for what is said to be otherwise."""

    copies: int = 16
    learning_rate: float = 3e-4
    discount: float = 0.99  # γ
    warm_up: int = 1600  # before the first update
    update_every: int = 32  # with a batch of 128, each decision is learned from four times
    batch: int = 128
    renew_every: int = 250  # updates after which the target network becomes the network
    exploring: int = 50_000  # within which ε falls from 1 to ...
    epsilon: float = 0.05
    longest_gradient: float = 10.0


@dataclass(frozen=True)
class Batch:
    """B remembered decisions: seen and following uint8 (B, 21, 21, 64); actions, rewards, ended (B,)."""

    seen: Tensor
    actions: Tensor
    rewards: Tensor
    ended: Tensor
    following: Tensor


class PictureReplay:
    """The last `room` decisions of all copies: 7 KB each, the one new picture of what was seen. Lin 1992.

    A row is a moment, with a place for each copy; the newest takes the place of the oldest. Before a game's first
    picture there was nothing, which is black: `ages` says how many pictures of the same game lie before one.
    """

    def __init__(self, room: int, copies: int) -> None:
        self.rows = max(SEEN + 2, room // copies)
        places = (self.rows, copies)
        self.pictures = np.zeros((*places, SQUARES, SQUARES, PATCH**2), np.uint8)
        self.ages, self.actions = np.zeros(places, np.int64), np.zeros(places, np.int64)
        self.rewards, self.ended = np.zeros(places, np.float32), np.zeros(places, np.float32)
        self.moment = 0  # of the decision under way; all before it are complete

    def __len__(self) -> int:
        """Decisions that can be drawn: what followed on the last one is not there yet."""
        return max(0, self.moment - 1 - self.oldest) * self.pictures.shape[1]

    @property
    def oldest(self) -> int:
        """The first moment of which all four pictures are still there."""
        gone = self.moment - self.rows + 1
        return 0 if gone <= 0 else gone + SEEN - 1

    def see(self, seen: Tensor) -> None:
        """What lies before the agent now: patches (copies, 21, 21, 64), of which the last picture is new."""
        self.pictures[self.moment % self.rows] = seen[..., -(PATCH**2) :].numpy()

    def add(self, actions: np.ndarray, rewards: np.ndarray, ended: np.ndarray, begins: np.ndarray) -> None:
        """What was done and what came of it, (copies,) each; begins: with what follows, a new game does."""
        row, following = self.moment % self.rows, (self.moment + 1) % self.rows
        self.actions[row], self.rewards[row], self.ended[row] = actions, rewards, ended
        self.ages[following] = np.where(begins, 0, self.ages[row] + 1)
        self.moment += 1

    def seen(self, moments: np.ndarray, copies: np.ndarray) -> Tensor:
        """The four pictures that lay before these copies at these moments, (B,) each → uint8 (B, 21, 21, 64)."""
        back = np.arange(SEEN)[::-1]  # 3, 2, 1, 0 moments ago
        stacked = self.pictures[(moments[:, None] - back) % self.rows, copies[:, None]]
        stacked[self.ages[moments % self.rows, copies][:, None] < back] = 0
        return torch.from_numpy(stacked.transpose(0, 2, 3, 1, 4).reshape(len(moments), SQUARES, SQUARES, -1))

    def sample(self, count: int) -> Batch:
        """`count` decisions, each drawn from all that are complete."""
        moments = np.random.randint(self.oldest, self.moment - 1, size=count)
        copies = np.random.randint(self.pictures.shape[1], size=count)
        columns = (column[moments % self.rows, copies] for column in (self.actions, self.rewards, self.ended))
        actions, rewards, ended = map(torch.from_numpy, columns)
        return Batch(self.seen(moments, copies), actions, rewards, ended, self.seen(moments + 1, copies))


class PixelDQN:
    """Deep Q-network on games. Mnih et al. 2015, algorithm 1; double: van Hasselt et al. 2016, eq. 4.

    Differences from the papers: the smaller network of Mnih et al. 2013, with greys counted from the background's; 16
    copies of the game in place of one; a memory of tens of thousands of decisions, not a million; Adam, not RMSProp; a
    batch of 128 for 32 decisions, not of 32 for 4, so that each is learned from half as often; ε falls within 50,000
    decisions, not 250,000; Huber's loss where they clip the error. As with them, a life lost is an end and only a
    reward's sign counts.

    Advanced like PixelPPO: `act` and `learn` for each decision, and `improve` until `pending` is empty.
    """

    def __init__(self, actions: int, settings: Settings, room: int, background: float = 0.0) -> None:
        self.settings, self.room, self.actions = settings, room, actions
        self.network, self.target_network = QNetwork(actions, background), QNetwork(actions, background)
        self.renew()
        self.optimizer = adam(self.network.parameters(), settings.learning_rate)
        self.replay = PictureReplay(room, settings.copies)
        self.chosen = np.zeros(settings.copies, np.int64)  # the actions of the decision under way
        self.decisions = self.updates = 0
        self.pending: Sequence[int] = ()  # updates that are due, each by the decision that it is due after
        self.metrics: dict[str, float] = {}

    def renew(self) -> None:
        """θ⁻ ← θ."""
        self.target_network.load_state_dict(self.network.state_dict())

    @property
    def epsilon(self) -> float:
        """Share of actions taken at random: from 1 down to the settings' in a straight line."""
        return max(self.settings.epsilon, 1 - (1 - self.settings.epsilon) * self.decisions / self.settings.exploring)

    @torch.no_grad()
    def act(self, observations: np.ndarray) -> np.ndarray:
        """An action for each copy, int64 (copies,): the best one, or, with probability ε, any."""
        seen = patches(observations)
        self.replay.see(seen)
        by_lot = np.random.random(len(seen)) < self.epsilon
        any_of_them = np.random.randint(self.actions, size=len(seen))
        self.chosen = np.where(by_lot, any_of_them, self.network(seen).numpy().argmax(axis=1))
        return self.chosen

    def learn(self, rewards: np.ndarray, ended: np.ndarray, following: np.ndarray) -> None:
        """Remember what followed, (copies,) each; following: what is seen next, uint8 (copies, 4, 84, 84)."""
        begins = ended & ~following[:, :-1].any(axis=(1, 2, 3))  # not so where only a life was lost
        self.replay.add(self.chosen, np.sign(rewards), ended, begins)
        before, self.decisions = self.decisions, self.decisions + len(rewards)
        if len(self.replay) >= min(self.settings.warm_up, self.room // 2):
            every = self.settings.update_every
            self.pending = range(before // every, self.decisions // every)
        self.metrics |= {"epsilon": self.epsilon, "remembered": len(self.replay)}

    def improve(self) -> None:
        """One batch from the memory, one step of Adam."""
        batch = self.replay.sample(self.settings.batch)
        target = self.target(batch.rewards, batch.ended, batch.following)
        old = self.network(batch.seen).gather(1, batch.actions[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(old, target)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.longest_gradient)
        self.optimizer.step()
        self.pending = self.pending[1:]
        self.updates += 1
        if self.updates % self.settings.renew_every == 0:
            self.renew()
        self.metrics["loss"] = finite(loss.item(), self.updates)

    @torch.no_grad()
    def target(self, rewards: Tensor, ended: Tensor, following: Tensor) -> Tensor:
        """What Q(s, a) should have been: the network chooses a', the target network says what it is worth."""
        chosen = self.network(following).argmax(dim=1)
        return td_target(rewards, ended, self.settings.discount, self.target_network(following), chosen)

    def tune(self, learning_rate_factor: float) -> None:
        """Another rate from now on, times the settings'."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_factor * self.settings.learning_rate

    @torch.no_grad()
    def opinion(self, observation: np.ndarray) -> np.ndarray:
        """Q(s, ·), (actions,), of one uint8 (4, 84, 84)."""
        return self.network(patches(observation[None]))[0].numpy()

    def state_dict(self) -> dict[str, Any]:
        """What has been learned. Not the memory, hundreds of megabytes: it fills anew before learning goes on."""
        kept = {name: getattr(self, name).state_dict() for name in ("network", "target_network", "optimizer")}
        return kept | {"updates": self.updates, "decisions": self.decisions, "metrics": dict(self.metrics)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("network", "target_network", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.updates, self.decisions, self.metrics = state["updates"], state["decisions"], dict(state["metrics"])
        self.replay, self.pending = PictureReplay(self.room, self.settings.copies), ()
