"""PPO for games seen as pictures: one convolutional network looks at four frames, acts, and says what it expects.

Written so that an ordinary processor trains it: the pictures are cut into patches once, so that the first convolution
is a small dense one, and the network computes in bfloat16 where the processor has instructions for it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apps.reinforcement.agent import finite
from apps.reinforcement.networks import adam, softmax
from apps.reinforcement.ppo import advantages, clipped_loss
from shared.live.experiment import Plain
from shared.models.shipped import shipped_weights

CHECKPOINTS = ("clueless", "beginner", "advanced", "expert")  # of each game that agents are shipped for
TEMPERATURE = 0.25  # that the page plays with at first, as the scores on the cards were played
PATCH = 4  # pixels a side
# Processors without these instructions emulate bfloat16, which is slower than float32.
PRECISION = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def patches(observations: np.ndarray) -> Tensor:
    """uint8 (N, 4, 84, 84) → (N, 21, 21, 64): what lay in a square of 4 x 4 pixels, in all four frames, together.

    A convolution over 2 x 2 of these is the convolution over 8 x 8 pixels with stride 4 of Mnih et al. 2013, and
    several times as fast here.
    """
    count, frames, height, width = observations.shape
    rows = observations.view(np.uint32)  # four pixels side by side, moved as one number
    squares = rows.reshape(count, frames, height // PATCH, PATCH, width // PATCH).transpose(0, 2, 4, 1, 3)
    return torch.from_numpy(np.ascontiguousarray(squares).view(np.uint8).reshape(count, 21, 21, -1))


def patches_of(pictures: Tensor) -> Tensor:
    """The same for a tensor of any type: (N, 4, 84, 84) → (N, 21, 21, 64)."""
    return F.pixel_unshuffle(pictures, PATCH).permute(0, 2, 3, 1)


def choose(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Actions, (N,), drawn by softmax(logits / temperature); at 0, the likeliest. logits: (N, actions)."""
    if temperature == 0:
        return logits.argmax(axis=1)
    # The largest of logits with Gumbel noise falls as softmax says (Maddison et al. 2014).
    return (logits / temperature + np.random.gumbel(size=logits.shape)).argmax(axis=1)


class PixelBody(nn.Module):
    """What an agent makes of what it sees, before it decides: the network of Mnih et al. 2013, with 16 filters, 32
    filters and 256 units. Subclasses add heads, and then `begin`.

    background: grey, 0 … 1, of what is neither ball nor player. Counted from there, small things stand out: where a
    ball of three pixels will arrive is learned several times as exactly.
    """

    background: Tensor

    def __init__(self, background: float) -> None:
        super().__init__()
        self.register_buffer("background", torch.tensor(background))
        self.near = nn.Conv2d(4 * PATCH**2, 16, 2)  # 8 x 8 pixels, stride 4 → (N, 16, 20, 20)
        self.far = nn.Conv2d(16, 32, 4, stride=2)  # → (N, 32, 9, 9)
        self.mixed = nn.Linear(32 * 9 * 9, 256)

    def begin(self, heads: tuple[tuple[nn.Linear, float], ...]) -> None:
        """Orthogonal weights, as long as each layer's gain says."""
        for layer, gain in ((self.near, 2**0.5), (self.far, 2**0.5), (self.mixed, 2**0.5), *heads):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)

    def features(self, seen: Tensor) -> Tensor:
        """Patches, uint8 or float (N, 21, 21, 64) → float32 (N, 256)."""
        with torch.autocast("cpu", PRECISION, enabled=torch.float32 != PRECISION):
            pixels = (seen if seen.is_floating_point() else seen.to(PRECISION)) / 255 - self.background
            x = F.relu(self.near(pixels.permute(0, 3, 1, 2)))
            x = F.relu(self.far(x))
            return F.relu(self.mixed(x.flatten(1))).float()


class PixelNetwork(PixelBody):
    """π(a | s) and V(s) from one body.

    forward: patches, uint8 or float (N, 21, 21, 64) → logits (N, actions) and values (N,), float32.
    """

    def __init__(self, actions: int, background: float = 0.0) -> None:
        super().__init__(background)
        self.policy, self.value = nn.Linear(256, actions), nn.Linear(256, 1)
        self.begin(((self.policy, 0.01), (self.value, 1.0)))

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        x = self.features(seen)
        # What is chosen and what is learned hang on small differences: these are taken in full precision.
        with torch.autocast("cpu", enabled=False):
            return self.policy(x), self.value(x).squeeze(1)


@dataclass(frozen=True)
class Settings:
    """Schulman et al. 2017's for Atari (table 5), but for the number of copies and a rate twice as high."""

    copies: int = 16
    rollout: int = 128  # decisions of each copy between two updates
    epochs: int = 3
    minibatch: int = 256
    learning_rate: float = 5e-4
    clip: float = 0.1
    discount: float = 0.99
    trace_decay: float = 0.95
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    longest_gradient: float = 0.5


class PixelPPO:
    """Proximal policy optimisation on games. Schulman, Wolski, Dhariwal, Radford & Klimov 2017, algorithm 1.

    Differences from the paper: two convolutions instead of three; greys are counted from the background's; 16 copies
    instead of 8 and minibatches of 256; a life lost is an end for the advantages, but the game goes on; the clip does
    not fall with time.

    It is advanced a little at a time, so that a page can watch: `act` and `learn` for each decision, and, once a
    rollout is full, `improve` for each minibatch until `pending` is empty.
    """

    def __init__(self, actions: int, settings: Settings, background: float = 0.0) -> None:
        self.settings = settings
        self.network = PixelNetwork(actions, background)
        self.optimizer = adam(self.network.parameters(), settings.learning_rate)
        places = (settings.rollout, settings.copies)
        self.seen = torch.zeros((*places, 84 // PATCH, 84 // PATCH, 4 * PATCH**2), dtype=torch.uint8)
        self.actions = np.zeros(places, np.int64)
        self.log_probs, self.values, self.rewards = (np.zeros(places, np.float32) for _ in range(3))
        self.ended = np.zeros(places, bool)
        self.filled = 0  # decisions of the rollout under way
        self.pending: list[Tensor] = []  # rows of the minibatches that are still to be learned from
        self.flat: tuple[Tensor, ...] = ()  # the rollout, one row a decision
        self.updates = 0
        self.metrics: dict[str, float] = {}

    @torch.no_grad()
    def look(self, observations: np.ndarray) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """Patches, logits (N, actions) and values (N,) of uint8 (N, 4, 84, 84)."""
        seen = patches(observations)
        logits, values = self.network(seen)
        return seen, logits.numpy(), values.numpy()

    def act(self, observations: np.ndarray) -> np.ndarray:
        """Draw an action for each copy, int64 (copies,), and remember why."""
        t = self.filled
        self.seen[t], logits, self.values[t] = self.look(observations)
        self.actions[t] = choose(logits, 1.0)
        logs = logits - logits.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        self.log_probs[t] = logs[np.arange(len(logs)), self.actions[t]]
        return self.actions[t]

    def learn(self, rewards: np.ndarray, ended: np.ndarray, following: np.ndarray) -> None:
        """Remember what followed, (copies,) each; the sign of a reward is all that counts (Mnih et al. 2013).

        following: what is seen next, uint8 (copies, 4, 84, 84).
        """
        self.rewards[self.filled], self.ended[self.filled] = np.sign(rewards), ended
        self.filled += 1
        if self.filled == self.settings.rollout:
            self.prepare(following)

    def prepare(self, following: np.ndarray) -> None:
        """A rollout is full: what each decision was worth, and the order in which they are learned from."""
        s = self.settings
        _, _, last = self.look(following)
        next_values = np.concatenate([self.values[1:], last[None]])
        found = advantages(self.rewards, self.values, next_values, self.ended, self.ended, s.discount, s.trace_decay)
        columns = (self.actions, self.log_probs, found, found + self.values)  # the last: λ-returns
        self.flat = (self.seen.flatten(0, 1), *(torch.from_numpy(c.reshape(-1).copy()) for c in columns))
        rows = s.rollout * s.copies
        self.pending = [part for _ in range(s.epochs) for part in torch.randperm(rows).split(s.minibatch)]
        self.filled = 0

    def improve(self) -> None:
        """One step of Adam on the next minibatch. Schulman et al. 2017, eq. 9."""
        seen, actions, old_log_probs, advantage, returns = (column[self.pending[0]] for column in self.flat)
        logits, values = self.network(seen)
        logs = F.log_softmax(logits, dim=1)
        entropy = -(logs.exp() * logs).sum(dim=1).mean()
        ratio = (logs.gather(1, actions[:, None]).squeeze(1) - old_log_probs).exp()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        value_loss = (values - returns).square().mean()
        loss = clipped_loss(ratio, advantage, self.settings.clip) + self.settings.value_weight * value_loss
        loss = loss - self.settings.entropy_weight * entropy
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.longest_gradient)
        self.optimizer.step()
        self.pending.pop(0)
        self.updates += 1
        self.metrics = {
            "loss": finite(loss.item(), self.updates),
            "value_loss": value_loss.item(),
            "entropy": entropy.item(),
            "clipped": float(((ratio - 1).abs() > self.settings.clip).float().mean()),
        }

    def tune(self, learning_rate: float, clip: float, entropy_weight: float) -> None:
        """Other settings from now on."""
        self.settings = replace(self.settings, clip=clip, entropy_weight=entropy_weight)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    def opinion(self, observation: np.ndarray) -> np.ndarray:
        """π(· | s), (actions,), of one uint8 (4, 84, 84)."""
        return softmax(self.look(observation[None])[1])[0]

    def state_dict(self) -> dict[str, Any]:
        """What has been learned; a rollout under way is not kept, since its games cannot be."""
        own = {"updates": self.updates, "metrics": dict(self.metrics)}
        return own | {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates, self.metrics = state["updates"], dict(state["metrics"])
        self.filled, self.pending = 0, []


def trained(game: str, checkpoint: str, actions: int) -> tuple[PixelNetwork, dict[str, str]]:
    """A shipped agent, frozen, and what its file says of it: decisions, seconds, score.

    Raises Plain where there is none, or its file is damaged or another game's.
    """
    name = f"atari_{game}_{checkpoint}"
    try:
        tensors, about = shipped_weights(name)
    except FileNotFoundError:
        raise Plain("atari_agent_missing", name=game, checkpoint=checkpoint) from None
    if about.get("game") != game:
        raise Plain("agent_of_another_game", name=name, other=about.get("game", "?"), game=game)
    network = PixelNetwork(actions)
    try:
        network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    except RuntimeError:  # other layers than ours
        raise Plain("weights_damaged", name=name) from None
    return network.requires_grad_(False).eval(), about
