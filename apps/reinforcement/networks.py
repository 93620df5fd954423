"""Small networks, and the distributions over actions that they stand for."""

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOG_TAU = float(np.log(2 * np.pi))
INSIDE = np.float32(1 - 1e-6)  # the largest squashed action: of 1 itself there is no knowing what was drawn


def mlp(inputs: int, outputs: int, width: int, activation: type[nn.Module], last_gain: float = 1.0) -> nn.Sequential:
    """Two hidden layers: (N, inputs) → (N, outputs). Orthogonal weights; the last layer's are `last_gain` long."""
    sizes, layers = (inputs, width, width, outputs), list[nn.Module]()
    for size, following in zip(sizes, sizes[1:], strict=False):
        linear = nn.Linear(size, following)
        nn.init.orthogonal_(linear.weight, 2**0.5 if len(layers) < 4 else last_gain)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


class Weights:
    """All weights of some networks in one row of memory, θ, and their gradients in another.

    An optimiser, a copy or the length of a gradient then takes one call, where many small tensors would cost time for
    each. To be made before anything else holds on to the networks' memory, as Quick does.
    """

    def __init__(self, *networks: nn.Module) -> None:
        parts = [weight for network in networks for weight in network.parameters()]
        self.row = nn.Parameter(torch.cat([part.detach().flatten() for part in parts]))
        self.row.grad = torch.zeros_like(self.row)
        begin = 0
        for part in parts:
            end = begin + part.numel()
            part.data = self.row.data[begin:end].view_as(part)
            part.grad = self.row.grad[begin:end].view_as(part)
            begin = end

    def descend(self, loss: Tensor, longest: float = math.inf) -> Tensor:
        """∂loss/∂θ into the row of gradients, no longer than `longest`; returns that row."""
        gradient: Any = self.row.grad
        gradient.zero_()
        loss.backward()
        if longest < math.inf:
            gradient.mul_((longest / (gradient.norm() + 1e-6)).clamp(max=1.0))
        return gradient

    def copy(self, other: "Weights") -> None:
        """θ ← θ of the other."""
        self.row.data.copy_(other.row.data)

    def follow(self, other: "Weights", share: float) -> None:
        """θ' ← τ θ + (1 - τ) θ'. Lillicrap et al. 2016, algorithm 1."""
        self.row.data.lerp_(other.row.data, share)


class Adam:
    """Adam on one row of weights. Kingma & Ba 2015, algorithm 1: few calls, as for few weights each of them counts."""

    BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-5

    def __init__(self, weights: Weights, learning_rate: float) -> None:
        self.weights, self.learning_rate, self.steps = weights, learning_rate, 0
        self.mean, self.square = (torch.zeros_like(weights.row.data) for _ in range(2))  # m and v

    @torch.no_grad()
    def step(self) -> None:
        """θ ← θ - α m̂ / (√v̂ + ε), by the gradient that lies in the row."""
        gradient: Any = self.weights.row.grad
        self.steps += 1
        self.mean.lerp_(gradient, 1 - self.BETA_1)
        self.square.mul_(self.BETA_2).addcmul_(gradient, gradient, value=1 - self.BETA_2)
        root = self.square.sqrt().div_(math.sqrt(1 - self.BETA_2**self.steps)).add_(self.EPSILON)
        rate = self.learning_rate / (1 - self.BETA_1**self.steps)
        self.weights.row.addcdiv_(self.mean, root, value=-rate)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "mean": self.mean, "square": self.square}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        self.mean.copy_(state["mean"])
        self.square.copy_(state["square"])


class RMSProp:
    """RMSProp on one row of weights, as A3C has it. Mnih et al. 2016, eq. 8 and 9."""

    DECAY, EPSILON = 0.99, 1e-5

    def __init__(self, weights: Weights, learning_rate: float) -> None:
        self.weights, self.learning_rate = weights, learning_rate
        self.square = torch.zeros_like(weights.row.data)  # g, one for all learners

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """g ← α g + (1 - α) Δθ²;  θ ← θ - η Δθ / (√g + ε)."""
        self.square.mul_(self.DECAY).addcmul_(gradient, gradient, value=1 - self.DECAY)
        self.weights.row.addcdiv_(gradient, self.square.sqrt().add_(self.EPSILON), value=-self.learning_rate)

    def state_dict(self) -> dict[str, Any]:
        return {"square": self.square}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.square.copy_(state["square"])


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

    @cached_property
    def quick(self) -> Quick:
        """The body in numpy; from its first use on the weights must stay where they are."""
        return Quick(self.body)

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
    """The network puts out the mean; the spread is one learned number a motor, for all states.

    A draw is remembered as it is, and log π is its own; the world clips to ±1 what it is told to do.
    """

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


class SquashedGaussian(Gaussian):
    """A Gaussian's draw u, squashed to a = tanh u, which no motor need clip.

    log π(a | s) = log N(u) - Σ log(1 - tanh² u): Haarnoja et al. 2018, appendix C, eq. 21. The entropy, which has no
    closed form, is that of u. PPO's best evaluation on Pendulum within 50,000 steps was -184 with it, -170 with the
    Gaussian (means of seeds 0 to 4): so it is a switch.
    """

    def draw(self, out: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        return np.tanh(super().draw(out, temperature)).clip(-INSIDE, INSIDE)

    def log_probs(self, out: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return super().log_probs(out, np.arctanh(actions)) - np.log1p(-np.square(actions)).sum(axis=1)

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        log_probs, entropy = super().forward(observations, torch.atanh(actions))
        return log_probs - torch.log1p(-actions.square()).sum(dim=1), entropy

    def shown(self, out: np.ndarray) -> np.ndarray:
        """The likeliest draw, squashed, then the standard deviation before that."""
        return super().shown(np.tanh(out))


def adam(parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
    """torch's Adam in one call for all weights, for networks that do not lie in a row."""
    return torch.optim.Adam(parameters, learning_rate, eps=1e-5, fused=True)


def tensors(*arrays: Any) -> tuple[Tensor, ...]:
    """Each array as a tensor on the same memory."""
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
