"""Point clouds lie where they say, and what judges them counts right."""

import math

import pytest
import torch

from shared.data import points


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", points.names())
def test_every_data_set_fills_its_own_part_of_the_plane(name):
    cloud = points.sample(name, 5000)
    assert cloud.shape == (5000, 2) and cloud.dtype == torch.float32
    assert cloud.abs().max() < 1.5  # the bounds
    assert cloud.std(dim=0).min() > 0.3  # it is no dot
    torch.manual_seed(0)
    assert torch.equal(points.sample(name, 5000), cloud)


@pytest.mark.parametrize("name, count, apart", [("ring", 8, 2 * math.sin(math.pi / 8)), ("grid", 25, 0.5)])
def test_modes_are_equally_likely_gaussians_about_their_centres(name, count, apart):
    modes = points.MODES[name]
    assert modes.centres.shape == (count, 2)
    between = torch.cdist(modes.centres, modes.centres) + 10 * torch.eye(count)
    assert between.min().item() == pytest.approx(apart, abs=1e-6)
    assert apart > 6 * modes.sigma  # a point within 3σ belongs to one mode alone
    cloud = points.sample(name, 50_000)
    distance, nearest = torch.cdist(cloud, modes.centres).min(dim=1)
    assert torch.bincount(nearest, minlength=count).float().div(50_000).sub(1 / count).abs().max() < 0.01
    assert distance.square().mean().div(2).sqrt().item() == pytest.approx(modes.sigma, rel=0.02)
    # a round Gaussian has 1 - exp(-9/2) of its mass within 3σ
    assert points.judge(cloud, points.share_per_cell(cloud), modes)["high_quality"] == pytest.approx(0.9889, abs=0.002)


def test_unknown_name():
    with pytest.raises(KeyError):
        points.sample("cube", 3)


def test_strokes_are_sampled_where_they_were_drawn_and_kept_inside():
    cloud = points.sample_strokes(torch.tensor([[0.0, 0.5], [100.0, -100.0]]), 4000)
    assert cloud.shape == (4000, 2) and cloud.abs().max() < 1.45 + 5 * points.NOISE
    at_home = (cloud - torch.tensor([0.0, 0.5])).norm(dim=1) < 5 * points.NOISE
    at_edge = (cloud - torch.tensor([1.45, -1.45])).norm(dim=1) < 5 * points.NOISE
    assert (at_home | at_edge).all() and at_home.float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_share_per_cell_counts_each_point_once_those_outside_at_the_edge():
    shares = points.share_per_cell(torch.tensor([[-1.5, -1.5], [-1.45, -1.45], [9.0, -1.49], [1.49, 1.49]]))
    assert shares.shape == (900,) and shares.sum().item() == pytest.approx(1)
    assert {i: shares[i].item() for i in shares.nonzero().flatten().tolist()} == {0: 0.5, 29: 0.25, 899: 0.25}


def test_js_divergence_by_hand():
    p, q = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])
    by_hand = 0.5 * math.log2(1 / 0.75) + 0.5 * (0.5 * math.log2(0.5 / 0.75) + 0.5 * math.log2(0.5 / 0.25))
    assert points.js_divergence(p, q) == pytest.approx(by_hand, abs=1e-6)
    assert points.js_divergence(p, q) == pytest.approx(points.js_divergence(q, p), abs=1e-6)
    assert points.js_divergence(q, q) == 0
    assert points.js_divergence(p, torch.tensor([0.0, 1.0])) == pytest.approx(1, abs=1e-6)


def test_judge_counts_modes_by_hand():
    modes = points.MODES["ring"]
    share = points.share_per_cell(modes.centres)
    far = torch.zeros(1, 2)
    one = points.judge(torch.cat([modes.centres[:1].expand(75, 2), far.expand(25, 2)]), share, modes)
    assert (one["modes_covered"], one["high_quality"]) == (1, 0.75)
    just = torch.cat([modes.centres[:2].repeat(49, 1), modes.centres[2:3], far])  # 49, 49 and 1 of 100
    assert points.judge(just, share, modes)["modes_covered"] == 3
    edge = modes.centres[:1] + torch.tensor([[2.9 * modes.sigma, 0.0]])
    beyond = modes.centres[:1] + torch.tensor([[3.1 * modes.sigma, 0.0]])
    assert points.judge(edge, share, modes)["high_quality"] == 1
    assert points.judge(beyond, share, modes)["high_quality"] == 0
    assert points.judge(far, share, None).keys() == {"js_divergence"}


def test_the_field_is_read_at_the_middle_of_each_cell_from_the_lower_left():
    grid = points.cell_centres(4).reshape(4, 4, 2)
    assert grid[0, 0].tolist() == [-1.125, -1.125]
    assert grid[0, 3].tolist() == [1.125, -1.125]  # columns go right
    assert grid[3, 0].tolist() == [-1.125, 1.125]  # rows go up
