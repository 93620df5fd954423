"""Small clouds of points in the plane, each a shape that a generator can learn, and how near it has come.

Everything lies inside BOUNDS. Rings and grids of Gaussians follow the toy problems of Metz et al. 2017
("Unrolled GANs", section 3.1), scaled to this plane and with wider Gaussians, so that each blob can be seen.
Sampling uses torch's global generator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BOUNDS = (-1.5, 1.5, -1.5, 1.5)
"""x_low, x_high, y_low, y_high of the piece of plane that the data sets live in."""

LOW, HIGH = torch.tensor(BOUNDS[::2]), torch.tensor(BOUNDS[1::2])
"""Its lower left and its upper right corner, (2,) each."""

BINS = 30
"""Cells along a side of the plane, for js_divergence."""

COVERED = 0.01
"""The share of all points that must lie within 3σ of a mode that counts as covered."""

MARGIN = 0.05
"""Points given from outside are kept this far inside BOUNDS."""

NOISE = 0.03
"""Standard deviation across moons, spiral, line and drawings."""


@dataclass(frozen=True)
class Modes:
    """Equally likely round Gaussians: centres (K, 2) and one standard deviation."""

    centres: Tensor
    sigma: float


def _ring() -> Tensor:
    angles = torch.arange(8) * (2 * math.pi / 8)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


MODES = {
    "ring": Modes(_ring(), 0.05),
    "grid": Modes(torch.cartesian_prod(torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 5)), 0.03),
}
"""The data sets that have modes to cover."""


def names() -> tuple[str, ...]:
    """The data sets, in teaching order; "drawn" is a heart until somebody draws."""
    return tuple(_SAMPLERS)


def sample(name: str, count: int) -> Tensor:
    """`count` points of a data set, float32 (count, 2). Raises KeyError for an unknown name."""
    return _SAMPLERS[name](count)


def sample_strokes(strokes: Tensor, count: int) -> Tensor:
    """`count` points about those of a drawing, (N, 2) with N >= 1; points outside are moved inside BOUNDS."""
    inside = torch.minimum(torch.maximum(strokes.float(), LOW + MARGIN), HIGH - MARGIN)
    return _blurred(inside[torch.randint(len(inside), (count,))])


def share_per_cell(x: Tensor) -> Tensor:
    """The share of points (N, 2) in each of BINS × BINS cells of the plane; outside, or NaN, counts at the edge."""
    cell = ((x - LOW) / (HIGH - LOW) * BINS).nan_to_num(0).clamp(0, BINS - 1).long()
    return torch.bincount(cell[:, 1] * BINS + cell[:, 0], minlength=BINS**2) / len(x)


def js_divergence(p: Tensor, q: Tensor) -> float:
    """Jensen–Shannon divergence of two discrete distributions, in bits: 0 equal … 1 disjoint. Lin 1991, eq. 3.4."""
    m = (p + q) / 2
    nats = torch.xlogy(p, p).sum() / 2 + torch.xlogy(q, q).sum() / 2 - torch.xlogy(m, m).sum()
    return min(1.0, max(0.0, nats.item() / math.log(2)))  # rounding may step outside


def judge(samples: Tensor, data_share: Tensor, modes: Modes | None) -> dict[str, float]:
    """How good generated points (N, 2) are.

    js_divergence: between their cells and the data's. Where the data has modes: high_quality, the share of points
    within 3σ of a mode; modes_covered, the modes that have at least COVERED of all points within 3σ.
    """
    judged = {"js_divergence": js_divergence(share_per_cell(samples), data_share)}
    if modes is not None:
        near = torch.cdist(samples, modes.centres) <= 3 * modes.sigma
        judged["modes_covered"] = float((near.float().mean(dim=0) >= COVERED).sum())
        judged["high_quality"] = near.any(dim=1).float().mean().item()
    return judged


def cell_centres(side: int) -> Tensor:
    """The centres of side × side equal cells of the plane, row by row from the lower left: (side², 2)."""
    x_low, x_high, y_low, y_high = BOUNDS
    along = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(y_low + (y_high - y_low) * along, x_low + (x_high - x_low) * along, indexing="ij")
    return torch.stack([x, y], dim=2).reshape(-1, 2)


def _blurred(points: Tensor) -> Tensor:
    return points + NOISE * torch.randn_like(points)


def _gaussians(modes: Modes) -> Callable[[int], Tensor]:
    def draw(count: int) -> Tensor:
        return modes.centres[torch.randint(len(modes.centres), (count,))] + modes.sigma * torch.randn(count, 2)

    return draw


def _moons(count: int) -> Tensor:
    """Two half circles that interlock."""
    angle = math.pi * torch.rand(count)
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    turned = torch.where(torch.rand(count, 1) < 0.5, upper, -upper)
    return _blurred(0.8 * turned)


def _spiral(count: int) -> Tensor:
    """An Archimedean spiral of two turns, evenly dense along its length."""
    turn = torch.rand(count).sqrt()  # length grows with the square of the angle
    angle = 4 * math.pi * turn
    return _blurred(torch.stack([1.2 * turn * angle.cos(), 1.2 * turn * angle.sin()], dim=1))


def _line(count: int) -> Tensor:
    """A straight piece from (-1, -0.6) to (1, 0.6)."""
    along = 2 * torch.rand(count, 1) - 1
    return _blurred(along * torch.tensor([[1.0, 0.6]]))


def _heart(count: int) -> Tensor:
    """What stands for a drawing before there is one."""
    t = 2 * math.pi * torch.rand(count)
    x = 16 * t.sin() ** 3
    y = 13 * t.cos() - 5 * (2 * t).cos() - 2 * (3 * t).cos() - (4 * t).cos()
    return _blurred(torch.stack([x, y + 2.5], dim=1) / 15)


_SAMPLERS: dict[str, Callable[[int], Tensor]] = {
    "ring": _gaussians(MODES["ring"]),
    "grid": _gaussians(MODES["grid"]),
    "moons": _moons,
    "spiral": _spiral,
    "line": _line,
    "drawn": _heart,
}
