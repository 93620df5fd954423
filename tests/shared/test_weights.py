"""Every shipped file has a card whose SHA-256 it matches; the classifier is as good as its card says."""

import hashlib
import tomllib
from pathlib import Path

import pytest
import torch

from shared.data.fashion_mnist import fashion_mnist
from shared.models.classifier import (
    Gaussian,
    fashion_classifier,
    fit_gaussian,
    frechet_distance,
    judge,
    real_gaussian,
)
from shared.models.shipped import shipped_weights

ASSETS = Path(__file__).parents[2] / "assets"
CARDS = sorted(ASSETS.rglob("*.card.toml"))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.name)
def test_card_is_whole_and_sums_match(path):
    card = tomllib.loads(path.read_text(encoding="utf-8"))
    assert all(card[key] for key in ("title", "licence", "source", "made_by", "how", "sha256"))
    for name, expected in card["sha256"].items():
        assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == expected, name


def test_every_shipped_file_has_a_card():
    carded = {path.parent / name for path in CARDS for name in tomllib.loads(path.read_text("utf-8"))["sha256"]}
    shipped = {p for folder in ("data", "weights") for p in (ASSETS / folder).rglob("*") if p.is_file()}
    assert shipped - carded - set(CARDS) == set()


def test_missing_weights_are_named():
    with pytest.raises(FileNotFoundError, match=r"no_such.safetensors"):
        shipped_weights("no_such")


def test_opening_the_classifier_leaves_a_run_its_random_numbers():
    fashion_classifier.cache_clear()
    before = torch.get_rng_state()
    fashion_classifier()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def judged():
    images, labels = fashion_mnist("test")
    return judge(torch.tensor(images)[:, None].float() / 127.5 - 1), torch.tensor(labels)


def test_classifier_is_right_on_nine_of_ten(judged):
    seen, labels = judged
    assert (seen.probabilities.argmax(1) == labels).float().mean() >= 0.90
    assert torch.allclose(seen.probabilities.sum(1), torch.ones(len(labels)), atol=1e-5)


def test_shipped_reference_is_that_of_the_test_pictures(judged):
    assert frechet_distance(fit_gaussian(judged[0].features), real_gaussian()) < 1e-3


def test_distance_sees_what_is_missing(judged):
    """A set without one class is further away than a random half."""
    seen, labels = judged
    half = frechet_distance(fit_gaussian(seen.features[::2]), real_gaussian())
    without = frechet_distance(fit_gaussian(seen.features[labels != 8]), real_gaussian())
    assert 0 <= half < without


def test_classifier_is_frozen():
    model = fashion_classifier()
    assert not model.training and not any(p.requires_grad for p in model.parameters())


def test_frechet_distance_by_hand():
    """Diagonal covariances commute: ‖Δμ‖² + Σ (σ_a - σ_b)² = (9 + 16) + (1 - 3)² + (2 - 5)² = 38."""
    a = Gaussian(torch.zeros(2).double(), torch.diag(torch.tensor([1.0, 4.0])).double())
    b = Gaussian(torch.tensor([3.0, 4.0]).double(), torch.diag(torch.tensor([9.0, 25.0])).double())
    assert frechet_distance(a, b) == pytest.approx(38)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_where_covariances_do_not_commute():
    """2 × 2: Tr (AB)^½ = √(Tr AB + 2 √det AB), by Cayley and Hamilton."""
    a, b = torch.tensor([[2.0, 1.0], [1.0, 3.0]]).double(), torch.tensor([[4.0, -1.0], [-1.0, 1.0]]).double()
    product = a @ b
    expected = (a + b).trace() - 2 * (product.trace() + 2 * product.det().sqrt()).sqrt()
    zero = torch.zeros(2).double()
    assert frechet_distance(Gaussian(zero, a), Gaussian(zero, b)) == pytest.approx(expected.item())
    assert frechet_distance(Gaussian(zero, b), Gaussian(zero, a)) == pytest.approx(expected.item())
