"""What the page's challenges call the right answer is what happens: on real runs, or by arithmetic."""

import math

import numpy as np
import pytest
import torch

from apps.gans import images, points
from apps.gans.images import ImagesGanConfig
from shared.live.run import Run
from tests.apps.test_gans_points import build, run


@pytest.mark.parametrize("seed", [31, 32])
def test_on_frozen_ground_the_points_run_out_of_the_ring(seed):
    frozen = run(build(seed), 300)
    frozen.on_knob("players", "generator")
    seen = run(frozen, 50).frame()
    far = np.linalg.norm(seen.views["plane"].points["generated"], axis=1)
    assert np.percentile(far, 5) > 1.3  # the ring has radius 1
    assert seen.metrics["modes_covered"] == 0


def test_a_discriminator_alone_learns_to_tell_both():
    alone = run(build(31), 20)
    alone.on_knob("players", "discriminator")
    seen = run(alone, 200).frame().metrics
    assert min(seen["accuracy_real"], seen["accuracy_fake"]) > 0.9


def test_the_two_losses_differ_a_thousandfold_in_slope():
    score = torch.tensor([math.log(0.001 / 0.999)], requires_grad=True)  # D = σ(s) = 0.001
    slopes = [
        torch.autograd.grad(points.generator_loss(name, score), score)[0].item()
        for name in ("non_saturating", "minimax")
    ]
    assert slopes == pytest.approx([-0.999, -0.001], rel=1e-4)


def test_a_walk_from_a_sample_to_itself_stands_still():
    z = torch.randn(8)
    assert torch.equal(images.latent_walk(z, z, 8), z.expand(8, -1))
    going = Run(images.ImagesGan, {"width": 4, "batch_size": 8}, 0)
    for _ in range(2):
        going.send({"kind": "select", "view": "samples", "index": 5})
    row = going.frame().views["walk"].pixels
    assert all(np.array_equal(row[0], picture) for picture in row[1:])


def test_an_emoji_is_3072_numbers_and_a_piece_of_clothing_784():
    sizes = [np.prod(images.pictures(ImagesGanConfig(dataset=name)).shape[1:]) for name in ("fashion_mnist", "emoji")]
    assert sizes == [784, 3072]
