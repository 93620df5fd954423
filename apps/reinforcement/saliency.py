"""Which parts of a picture decide what a network does: two ways to ask."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Policy = Callable[[Tensor], Tensor]  # pictures (N, 4, 84, 84), 0 … 255 → logits (N, actions)

STRIDE = 8  # pixels between the places that are blurred
WIDTH = 5.0  # pixels: standard deviation of the spot that is blurred
BLUR = 3.0  # pixels: of the blur itself


def gradient(policy: Policy, seen: np.ndarray) -> np.ndarray:
    """|∂ log π(a) / ∂ pixel| for the likeliest action, the largest of the four pictures': uint8 (4, 84, 84) → (84, 84).

    Simonyan, Vedaldi & Zisserman 2014, section 3. It says what an endless small change of each pixel would do.
    """
    pictures = torch.from_numpy(seen[None]).float().requires_grad_()
    with torch.enable_grad():
        best = F.log_softmax(policy(pictures), dim=1).max()
        (slope,) = torch.autograd.grad(best, pictures)
    return slope[0].abs().amax(dim=0).numpy()


@torch.no_grad()
def perturbation(policy: Policy, seen: np.ndarray) -> np.ndarray:
    """½‖π(s) - π(s with one spot blurred)‖², in logits, for spots all over: uint8 (4, 84, 84) → (84, 84).

    Greydanus, Koul, Dodge & Fern 2018, eqs. 1-2. Differences: a spot every eight pixels instead of five.
    """
    pictures = torch.from_numpy(seen)
    masks = spots(pictures.shape[-1]).bfloat16()  # (M, 84, 84); half the bytes, and these are the cost of it
    change = (blur(pictures[None].float())[0] - pictures).bfloat16()
    pictures = pictures.bfloat16()
    changed = torch.addcmul(pictures, masks[:, None], change)  # (M, 4, 84, 84)
    logits = policy(torch.cat([pictures[None], changed])).float()
    scores = (logits[1:] - logits[:1]).square().sum(dim=1) / 2
    across = round(len(masks) ** 0.5)
    size = pictures.shape[-2:]
    return F.interpolate(scores.view(1, 1, across, across), size, mode="bilinear", align_corners=True)[0, 0].numpy()


def spots(side: int) -> Tensor:
    """(M, side, side): one soft spot each, 1 in its middle, at every STRIDE-th pixel."""
    middles, pixels = torch.arange(0, side, STRIDE) + (side - 1) % STRIDE / 2, torch.arange(side)
    line = torch.exp(-((pixels - middles[:, None]) ** 2) / (2 * WIDTH**2))
    return (line[:, None, :, None] * line[None, :, None, :]).flatten(0, 1)


def blur(pictures: Tensor) -> Tensor:
    """(N, C, H, W) → the same, each pixel a mean of its neighbours, weighted by a bell of width BLUR."""
    reach = int(3 * BLUR)
    bell = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * BLUR**2))
    bell = (bell / bell.sum()).view(1, 1, 1, -1)
    flat = F.pad(pictures.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(flat, bell), bell.mT).view_as(pictures)
