"""The encodings are those of their papers, and attention without them cannot tell one order from another."""

import math

import pytest
import torch

from apps.transformer.positions import Positions, PositionsConfig, attend, by_distance, learned, rotate, sinusoidal
from shared.live.experiment import Plain, configure


def build(seed: int = 0, **values: object) -> Positions:
    torch.manual_seed(seed)
    return Positions(configure(PositionsConfig, values), seed)


def test_sinusoidal_by_hand():
    table = sinusoidal(torch.tensor([0, 3]), 4, 10_000.0)
    expected = [[0, 1, 0, 1], [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]]
    torch.testing.assert_close(table, torch.tensor(expected, dtype=torch.double))


def test_products_of_sinusoids_depend_on_the_distance_alone():
    table = sinusoidal(torch.arange(30), 8, 100.0)
    products = table @ table.T
    for distance in (0, 1, 7):
        expected = sum(math.cos(distance * 100.0 ** (-2 * i / 8)) for i in range(4))
        found = products.diagonal(distance)
        torch.testing.assert_close(found, torch.full_like(found, expected))
        assert by_distance(products)[distance].tolist() == pytest.approx([distance, expected], rel=1e-6)


def test_rotation_is_a_product_of_complex_numbers():
    x, places = torch.randn(5, 6, dtype=torch.double), torch.tensor([0, 1, 2, 30, 31])
    turns = torch.polar(
        torch.ones(5, 3, dtype=torch.double), torch.stack([places.double() * 50.0 ** (-2 * i / 6) for i in range(3)], 1)
    )
    expected = torch.view_as_real(torch.view_as_complex(x.view(5, 3, 2)) * turns).flatten(1)
    torch.testing.assert_close(rotate(x, places, 50.0), expected)


def test_rotated_products_depend_on_the_distance_alone():
    q, k = torch.randn(2, 1, 8, dtype=torch.double)

    def product(m: int, n: int) -> float:
        return float((rotate(q, torch.tensor([m]), 100.0) * rotate(k, torch.tensor([n]), 100.0)).sum())

    assert product(3, 10) == pytest.approx(product(40, 47), rel=1e-9)
    assert product(3, 10) != pytest.approx(product(3, 11), rel=1e-3)


def test_attention_is_that_of_a_trusted_library():
    q, k, v = torch.randn(3, 7, 8, dtype=torch.double)
    expected = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    torch.testing.assert_close(attend(q, k, v), expected)


@pytest.mark.parametrize("encoding", ["sinusoidal", "rotary"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shuffled_words_get_the_same_answers_without_positions_only(encoding, seed):
    run = build(seed, encoding=encoding)
    assert run.difference_with == run.difference_without == 0.0  # nothing has been shuffled yet
    for _ in range(5):
        run.advance()
        assert run.difference_without < 1e-12
        if run.order.tolist() != sorted(run.order.tolist()):
            assert run.difference_with > 1e-3
    assert build(seed, encoding="none").before["none"].equal(run.before["none"])


def test_without_an_encoding_the_two_arms_are_one():
    run = build(encoding="none")
    run.advance()
    assert run.difference_with == run.difference_without
    assert not run.table.any()


def test_learned_positions_are_minilms():
    table = learned(16, 8)
    assert table.shape == (16, 8) and table.dtype == torch.double and table.any(1).all()
    run = build(encoding="learned")
    run.advance()
    assert run.difference_without < 1e-12 < 1e-3 < run.difference_with


def test_far_products_fall_to_nothing_with_a_small_base_only():
    def far(base: float) -> float:
        table = sinusoidal(torch.arange(64), 64, base)
        means = by_distance(table @ table.T)[:, 1]
        return float(abs(means[32:]).max() / means[0])

    assert far(10.0) < 0.15
    assert far(10_000.0) > 0.5


@pytest.mark.parametrize("words", ["", "a " * 25])
def test_too_few_or_too_many_words(words):
    with pytest.raises(Plain, match="from 1 to 24"):
        build(words=words)
