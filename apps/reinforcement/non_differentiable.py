"""Three copies of one network chase the same score, which has no slope: by its gradient, by a stand-in, by trying.

Read it from the top: the two tasks, the three losses, then NonDifferentiable, whose phases are one update.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.live.experiment import Bars, Curves, Experiment, Frame, Images, Series, View, knob

ARMS = ("through_metric", "surrogate", "reinforce")
KINDS, LENGTH = 4, 3  # of tokens; exact match by chance: 4⁻³ = 1/64
SIDE = 16  # pixels of the picture that holds a box
WIDTH = 64  # units of the hidden layer
JUDGED, SHOWN = 256, 8  # fixed inputs that are judged, and drawn
STOCK, PARTS = 10, 8  # steps between two points of the curves; a gradient's variance is that of so many parts
MEMORY = 0.9  # of the baseline, from step to step


@dataclass(frozen=True)
class NonDifferentiableConfig:
    """The settings; with the default ones REINFORCE matches 95 % of the sequences within a few hundred steps."""

    task: str = knob("tokens", choices=("tokens", "box"))
    learning_rate: float = knob(5e-4, low=1e-5, high=1e-1, scale="log", live=True)
    batch_size: int = knob(256, low=16, high=1024, scale="log")
    baseline: bool = knob(True, live=True)
    spread: float = knob(0.3, low=0.01, high=2.0, scale="log", live=True)  # std of what is tried for a box


class TokenTask:
    """Read three tokens, write them in reverse; the score is 1 if all are right, else 0."""

    inputs, outputs = LENGTH * KINDS, LENGTH * KINDS
    chance: ClassVar[float] = float(KINDS) ** -LENGTH

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Inputs (N, inputs) and targets (N, LENGTH)."""
        read = torch.randint(KINDS, (count, LENGTH))
        return F.one_hot(read, KINDS).flatten(1).float(), read.flip(1)

    def score(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Exact match, 0 or 1 each: (N, LENGTH) twice → (N,)."""
        return (tokens == targets).all(dim=1).float()

    def best(self, out: Tensor, targets: Tensor) -> Tensor:
        """The score of the likeliest tokens; floor makes one-hot vectors of them, and autograd goes through it."""
        likely = out.view(-1, LENGTH, KINDS).softmax(dim=2)
        chosen = torch.floor(likely / likely.amax(dim=2, keepdim=True))
        return (chosen * F.one_hot(targets, KINDS)).sum(dim=2).prod(dim=1)

    def surrogate(self, out: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each sequence: -Σ log p(right token), (N,)."""
        return F.cross_entropy(out.view(-1, LENGTH, KINDS).transpose(1, 2), targets, reduction="none").sum(dim=1)

    def attempt(self, out: Tensor, spread: float) -> tuple[Tensor, Tensor]:
        """Tokens drawn from the network's probabilities (N, LENGTH), and the log-probability of each draw (N,)."""
        logs = out.view(-1, LENGTH, KINDS).log_softmax(dim=2)
        tokens = torch.multinomial(logs.detach().exp().flatten(0, 1), 1).view(-1, LENGTH)
        return tokens, logs.gather(2, tokens[..., None]).squeeze(2).sum(dim=1)

    def picture(self, out: Tensor) -> np.ndarray:
        """How likely each token is in each place: uint8 (N, KINDS, LENGTH)."""
        return (255 * out.view(-1, LENGTH, KINDS).softmax(dim=2)).transpose(1, 2).to(torch.uint8).numpy()

    def wanted(self, inputs: Tensor, targets: Tensor) -> np.ndarray:
        """The right answers, as picture() draws them."""
        return (255 * F.one_hot(targets, KINDS)).transpose(1, 2).to(torch.uint8).numpy()


def corners(out: Tensor) -> Tensor:
    """A network's four numbers (N, 4) as left, top, right, bottom in pixels: σ of them is centre and size."""
    centre, size = (SIDE * torch.sigmoid(out)).chunk(2, dim=1)
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Area in common over area covered by either, 0 … 1, of boxes (N, 4). Jaccard 1901."""
    edges = torch.minimum(one[:, 2:], other[:, 2:]) - torch.maximum(one[:, :2], other[:, :2])
    common = edges.clamp(min=0).prod(dim=1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(dim=1) for box in (one, other)]
    return common / (areas[0] + areas[1] - common).clamp(min=1e-9)


class BoxTask:
    """See a rectangle, draw a box about it on whole pixels; the score is their intersection over union."""

    inputs, outputs = SIDE * SIDE, 4
    chance: ClassVar[None] = None

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Pictures (N, SIDE²) and boxes (N, 4)."""
        size = torch.randint(4, 11, (count, 2))
        start = (torch.rand(count, 2) * (SIDE + 1 - size)).floor().long()
        boxes = torch.cat([start, start + size], dim=1)
        return self.fill(boxes).flatten(1), boxes.float()

    def fill(self, boxes: Tensor) -> Tensor:
        """1 inside, 0 outside: (N, 4) → (N, SIDE, SIDE)."""
        place = torch.arange(SIDE) + 0.5
        left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(1))
        across, down = (place > left) & (place < right), (place > top) & (place < bottom)
        return (down[:, :, None] & across[:, None, :]).float()

    def score(self, out: Tensor, targets: Tensor) -> Tensor:
        """IoU on whole pixels, (N,)."""
        return iou(torch.round(corners(out)), targets)

    best = score  # autograd goes through round, which is flat

    def surrogate(self, out: Tensor, targets: Tensor) -> Tensor:
        """How far each corner is off, smooth L1 (Girshick 2015, eq. 3), (N,)."""
        return F.smooth_l1_loss(corners(out), targets, reduction="none").sum(dim=1)

    def attempt(self, out: Tensor, spread: float) -> tuple[Tensor, Tensor]:
        """The network's numbers with Gaussian noise (N, 4), and the log-density of each draw but a constant (N,)."""
        tried = (out + spread * torch.randn_like(out)).detach()
        return tried, -((tried - out) / spread).square().sum(dim=1) / 2

    def picture(self, out: Tensor) -> np.ndarray:
        """The box drawn: uint8 (N, SIDE, SIDE)."""
        return (255 * self.fill(torch.round(corners(out)))).to(torch.uint8).numpy()

    def wanted(self, inputs: Tensor, targets: Tensor) -> np.ndarray:
        """The rectangles that were seen."""
        return (255 * inputs.view(-1, SIDE, SIDE)).to(torch.uint8).numpy()


TASKS: dict[str, type[TokenTask] | type[BoxTask]] = {"tokens": TokenTask, "box": BoxTask}


def reinforce_loss(log_probability: Tensor, reward: Tensor, baseline: float) -> Tensor:
    """-(R - b) log π(what was tried), (N,): its gradient is on average that of -E[R]. Williams 1992, eq. 4."""
    return -(reward - baseline) * log_probability


def gradient_variance(losses: Tensor, weights: list[Tensor]) -> float:
    """Variance of the batch's mean gradient, summed over all weights, from the gradients of PARTS equal parts.

    losses: (N,), one a sample.
    """
    parts = []
    for part in losses.chunk(PARTS):
        gradients = torch.autograd.grad(part.mean(), weights, retain_graph=True)
        parts.append(torch.cat([gradient.flatten() for gradient in gradients]))
    return (torch.stack(parts).var(dim=0).sum() / len(parts)).item()


class NonDifferentiable(Experiment[NonDifferentiableConfig]):
    """Backpropagation through a flat score, a differentiable surrogate, and REINFORCE (Williams 1992), side by side.

    All three begin with the same weights, see the same inputs and move with Adam at the same rate. Differences from
    the paper: Adam; the baseline is a running mean of the rewards of earlier batches.
    """

    id = "reinforcement/non_differentiable"
    phases = ("sample", "score", "differentiate", "update")

    def __init__(self, config: NonDifferentiableConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.task = TASKS[config.task]()
        first = self.network()
        self.networks = nn.ModuleDict({arm: self.network() for arm in ARMS})
        for network in self.networks.values():
            network.load_state_dict(first.state_dict())
        self.optimizers = Optimizers(self.networks, config.learning_rate)
        self.judged_inputs, self.judged_targets = self.task.batch(JUDGED)
        self.expected = 0.0  # the baseline b
        self.scores = Series(*ARMS)
        self.variances = Series("surrogate", "reinforce", "reinforce_no_baseline")
        self.norms = dict.fromkeys(ARMS, 0.0)
        self.variance = dict.fromkeys(("through_metric", *self.variances.names), 0.0)
        self.mean_reward = 0.0
        self.scores.record(0, **self.judge())

    def network(self) -> nn.Sequential:
        """(N, inputs) → (N, outputs)."""
        return nn.Sequential(nn.Linear(self.task.inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, self.task.outputs))

    # -- one update, in four phases -----------------------------------------------------------------------

    def sample(self) -> None:
        """Inputs for all three; each network answers, and REINFORCE tries something near its answer."""
        self.inputs, self.targets = self.task.batch(self.config.batch_size)
        self.out = {arm: network(self.inputs) for arm, network in self.networks.items()}
        self.tried, self.log_probability = self.task.attempt(self.out["reinforce"], self.config.spread)

    def score(self) -> None:
        """A loss for each sample and arm, (N,)."""
        self.reward = self.task.score(self.tried, self.targets)
        self.mean_reward = self.reward.mean().item()
        baseline = self.expected if self.config.baseline else 0.0
        self.losses = {
            "through_metric": -self.task.best(self.out["through_metric"], self.targets),
            "surrogate": self.task.surrogate(self.out["surrogate"], self.targets),
            "reinforce": reinforce_loss(self.log_probability, self.reward, baseline),
        }

    def differentiate(self) -> None:
        """∂L/∂θ of each arm; now and then also how much it would vary from batch to batch."""
        self.gradients = {}
        if self.step_count % STOCK == 0:
            plain = reinforce_loss(self.log_probability, self.reward, 0.0)
            for name, losses in (*self.losses.items(), ("reinforce_no_baseline", plain)):
                weights = self.networks["reinforce" if name not in ARMS else name].parameters()
                self.variance[name] = gradient_variance(losses, list(weights))
            self.variances.record(self.step_count, **{name: self.variance[name] for name in self.variances.names})
        for arm, losses in self.losses.items():
            weights = list(self.networks[arm].parameters())
            self.gradients[arm] = torch.autograd.grad(losses.mean(), weights)
            self.norms[arm] = torch.cat([gradient.flatten() for gradient in self.gradients[arm]]).norm().item()

    def update(self) -> None:
        """All three move; the baseline follows the rewards."""
        for arm, optimizer in self.optimizers.items():
            (group,) = optimizer.param_groups
            group["lr"] = self.config.learning_rate
            for parameter, gradient in zip(group["params"], self.gradients[arm], strict=True):
                parameter.grad = gradient
            optimizer.step()
        self.expected += (1 - MEMORY) * (self.mean_reward - self.expected)
        if (self.step_count + 1) % STOCK == 0:
            self.scores.record(self.step_count + 1, **self.judge())
        self.out, self.losses, self.gradients, self.log_probability = {}, {}, {}, torch.empty(0)

    # -- what there is to see ------------------------------------------------------------------------------

    @torch.no_grad()
    def judge(self) -> dict[str, float]:
        """The mean score of each network's best answers on the fixed inputs."""
        inputs, targets = self.judged_inputs, self.judged_targets
        self.judged = {
            arm: self.task.best(network(inputs), targets).mean().item() for arm, network in self.networks.items()
        }
        return self.judged

    @torch.no_grad()
    def frame(self) -> Frame:
        """Scores, gradients, and what each network answers."""
        inputs, targets = self.judged_inputs[:SHOWN], self.judged_targets[:SHOWN]
        rows = [self.task.wanted(inputs, targets)]
        rows += [self.task.picture(network(inputs)) for network in self.networks.values()]
        labels = [name for row in ("wanted", *ARMS) for name in (row, *[""] * (SHOWN - 1))]
        metrics = {f"score_{arm}": score for arm, score in self.judged.items()}
        metrics |= {f"gradient_{arm}": norm for arm, norm in self.norms.items()}
        metrics |= {"reward": self.mean_reward, "expected_reward": self.expected if self.config.baseline else 0.0}
        chance = {} if self.task.chance is None else {"chance": self.task.chance}
        views: dict[str, View] = {
            "scores": Curves(self.scores.curves(), chance),
            "variance": Curves(self.variances.curves(), log=True),
            "gradients": Bars(np.array([self.norms[arm] for arm in ARMS], np.float32), ARMS),
            "answers": Images(np.concatenate(rows), SHOWN, tuple(labels)),
        }
        return Frame(metrics, views)


class Optimizers(dict[str, torch.optim.Optimizer]):
    """Adam for each arm, kept and restored as one."""

    def __init__(self, networks: nn.ModuleDict, learning_rate: float) -> None:
        super().__init__({arm: torch.optim.Adam(net.parameters(), learning_rate) for arm, net in networks.items()})

    def state_dict(self) -> dict[str, object]:
        return {arm: optimizer.state_dict() for arm, optimizer in self.items()}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        for arm, optimizer in self.items():
            optimizer.load_state_dict(state[arm])
