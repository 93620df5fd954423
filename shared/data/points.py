"""Small clouds of points in the plane, each a shape that a generator can learn while one watches.

Everything lies inside BOUNDS. Rings and grids of Gaussians follow the toy problems of Metz et al. 2017
("Unrolled GANs", section 3.1), scaled to this plane and with wider Gaussians, so that each blob can be seen.
Sampling uses torch's global generator.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

BOUNDS = (-1.5, 1.5, -1.5, 1.5)
"""x_low, x_high, y_low, y_high of the piece of plane that the data sets live in."""

MARGIN = 0.05
"""Points given from outside are kept this far inside BOUNDS."""

RING_SIGMA = 0.05
GRID_SIGMA = 0.03
NOISE = 0.03
"""Standard deviation across moons, spiral, line and drawings."""


def names() -> tuple[str, ...]:
    """The data sets, in teaching order; "drawn" is a heart until somebody draws."""
    return tuple(_SAMPLERS)


def sample(name: str, count: int) -> Tensor:
    """`count` points of a data set, float32 (count, 2). Raises KeyError for an unknown name."""
    return _SAMPLERS[name](count)


def modes(name: str) -> tuple[Tensor, float] | None:
    """The centres (K, 2) of a data set's Gaussians and their standard deviation; None where it has no modes."""
    if name == "ring":
        angles = torch.arange(8) * (2 * math.pi / 8)
        return torch.stack([angles.cos(), angles.sin()], dim=1), RING_SIGMA
    if name == "grid":
        side = torch.linspace(-1, 1, 5)
        return torch.cartesian_prod(side, side), GRID_SIGMA
    return None


def sample_strokes(strokes: Tensor, count: int) -> Tensor:
    """`count` points about those of a drawing, (N, 2) with N >= 1; points outside are moved inside BOUNDS."""
    x_low, x_high, y_low, y_high = BOUNDS
    low = torch.tensor([x_low + MARGIN, y_low + MARGIN])
    high = torch.tensor([x_high - MARGIN, y_high - MARGIN])
    inside = torch.minimum(torch.maximum(strokes.float(), low), high)
    return _blurred(inside[torch.randint(len(inside), (count,))])


def _blurred(points: Tensor) -> Tensor:
    return points + NOISE * torch.randn_like(points)


def _gaussians(name: str) -> Callable[[int], Tensor]:
    """A sampler of equally likely Gaussians about the modes of `name`."""

    def draw(count: int) -> Tensor:
        found = modes(name)
        assert found is not None
        centres, sigma = found
        return centres[torch.randint(len(centres), (count,))] + sigma * torch.randn(count, 2)

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
    "ring": _gaussians("ring"),
    "grid": _gaussians("grid"),
    "moons": _moons,
    "spiral": _spiral,
    "line": _line,
    "drawn": _heart,
}
