"""Small networks, and the distributions over actions that they stand for."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOG_TAU = float(np.log(2 * np.pi))


def mlp(inputs: int, outputs: int, width: int, activation: type[nn.Module], last_gain: float = 1.0) -> nn.Sequential:
    """Two hidden layers: (N, inputs) → (N, outputs). Orthogonal weights; the last layer's are `last_gain` long."""
    sizes, layers = (inputs, width, width, outputs), list[nn.Module]()
    for size, following in zip(sizes, sizes[1:], strict=False):
        linear = nn.Linear(size, following)
        nn.init.orthogonal_(linear.weight, 2**0.5 if len(layers) < 4 else last_gain)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


class Quick:
    """An mlp's forward pass in numpy, on the very memory of its weights: no gradients, and no copies.

    For the few rows of a step in an environment this takes a tenth of the time that torch takes.
    """

    def __init__(self, network: nn.Sequential) -> None:
        linears = [layer for layer in network if isinstance(layer, nn.Linear)]
        self.layers = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linears]
        self.rectified = isinstance(network[1], nn.ReLU)  # else tanh

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """(N, inputs) → (N, outputs)."""
        out = observations
        for weight, bias in self.layers[:-1]:
            out = out @ weight + bias
            out = np.maximum(out, 0) if self.rectified else np.tanh(out)
        return out @ self.layers[-1][0] + self.layers[-1][1]

    def weights(self) -> list[np.ndarray]:
        """Copies of all weights and biases, in order."""
        return [array.copy() for layer in self.layers for array in layer]

    def with_weights(self, weights: list[np.ndarray]) -> "Quick":
        """The same network with other weights: one of its own past."""
        other = object.__new__(Quick)
        other.layers, other.rectified = list(zip(weights[::2], weights[1::2], strict=True)), self.rectified
        return other


def softmax(logits: np.ndarray) -> np.ndarray:
    """(N, A) → probabilities, (N, A)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Policy(nn.Module):
    """π(a | s): what a network's output says about the actions. Subclassed for discrete and continuous ones."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.body = mlp(inputs, outputs, width, nn.Tanh, last_gain=0.01)
        self.quick = Quick(self.body)

    def draw(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """An action for each of the body's outputs (N, outputs); temperature 0: the likeliest."""
        raise NotImplementedError

    def log_probs(self, out: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """log π(a | s) of actions just drawn, (N,)."""
        raise NotImplementedError

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """log π(a | s) and the entropy of π(· | s), each (N,)."""
        raise NotImplementedError

    def shown(self, out: np.ndarray) -> np.ndarray:
        """What there is to see of one output (outputs,)."""
        raise NotImplementedError


class Categorical(Policy):
    """One logit an action; softmax makes probabilities of them."""

    def draw(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """int64 (N,). The largest of logits with Gumbel noise falls as softmax says (Maddison et al. 2014)."""
        if temperature <= 0:
            return out.argmax(axis=1)
        return (out / temperature + np.random.gumbel(size=out.shape)).argmax(axis=1)

    def log_probs(self, out: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return np.log(softmax(out)[np.arange(len(out)), actions])

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        logs = F.log_softmax(self.body(observations), dim=1)
        return logs.gather(1, actions[:, None]).squeeze(1), -(logs.exp() * logs).sum(dim=1)

    def shown(self, out: np.ndarray) -> np.ndarray:
        """The probabilities, (A,)."""
        return softmax(out[None])[0]


class Gaussian(Policy):
    """The network puts out the mean; the spread is one learned number for all states. What leaves ±1 is clipped."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__(inputs, outputs, width)
        self.log_std = nn.Parameter(torch.zeros(outputs))

    def draw(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """float32 (N, outputs)."""
        if temperature <= 0:
            return out
        noise = np.random.standard_normal(out.shape) * np.exp(self.log_std.detach().numpy())
        return (out + temperature * noise).astype(np.float32)

    def log_probs(self, out: np.ndarray, actions: np.ndarray) -> np.ndarray:
        log_std = self.log_std.detach().numpy()
        return -(((actions - out) / np.exp(log_std)) ** 2 / 2 + log_std + LOG_TAU / 2).sum(axis=1)

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        apart = (actions - self.body(observations)) / self.log_std.exp()
        log_probs = -(apart.square() / 2 + self.log_std + LOG_TAU / 2).sum(dim=1)
        return log_probs, (0.5 + LOG_TAU / 2 + self.log_std).sum().expand(len(actions))

    def shown(self, out: np.ndarray) -> np.ndarray:
        """Mean, then standard deviation."""
        return np.concatenate([out, np.exp(self.log_std.detach().numpy())])


def adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
    """Adam (Kingma & Ba 2015) in one call for all weights: many small ones cost time for each."""
    return torch.optim.Adam(parameters, learning_rate, eps=1e-5, fused=True)


@torch.no_grad()
def follow(targets: nn.Module, networks: nn.Module, share: float) -> None:
    """θ' ← τ θ + (1 - τ) θ', for each weight. Lillicrap et al. 2016, algorithm 1."""
    for target, weight in zip(targets.parameters(), networks.parameters(), strict=True):
        target.lerp_(weight, share)


def tensors(*arrays: Any) -> tuple[Tensor, ...]:
    """Each array as a tensor on the same memory."""
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
