"""The shipped emoji: every concept has its names, its group, its licence and the pictures that the index promises."""

from collections import Counter

import numpy as np
import pytest

from shared.data.emoji import FOLDER, GROUPS, STYLES, emoji_index, emoji_pictures, on_white

SKIN_TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}


def test_index_is_whole():
    index = emoji_index()
    assert tuple(style.id for style in index.styles) == STYLES
    assert all(style.licence and style.licence_url and style.author for style in index.styles)
    assert len(index.concepts) > 1_500
    assert {concept.group for concept in index.concepts} == set(GROUPS)
    assert all(concept.en and concept.es and len(concept.styles) >= 4 for concept in index.concepts)
    assert max(Counter(concept.id for concept in index.concepts).values()) == 1
    assert not any(SKIN_TONES & set(concept.emoji) for concept in index.concepts)


def test_names_are_aligned():
    names = {concept.emoji: (concept.id, concept.en, concept.es) for concept in emoji_index().concepts}
    assert names["🍎"] == ("red_apple", "red apple", "manzana roja")
    assert names["🐙"] == ("octopus", "octopus", "pulpo")


@pytest.mark.parametrize("size", [32, 64])
def test_a_group_in_all_styles(size):
    found = emoji_pictures(size, group="food_drink")
    assert found.pixels.shape == (len(found.concepts), size, size, 4) and found.pixels.dtype == np.uint8
    assert len(found.styles) == len(found.concepts)
    assert set(found.styles) == set(STYLES)
    assert {concept.group for concept in found.concepts} == {"food_drink"}
    opaque = (found.pixels[..., 3] > 128).mean((1, 2))
    assert opaque.min() > 0.02, "no empty picture"


def test_one_concept_looks_alike_in_its_styles():
    """A red apple is red in every style, a green one in none: pictures and index are in one order."""
    found = emoji_pictures(32, group="food_drink")
    for wanted, red in (("red_apple", True), ("green_apple", False)):
        chosen = [i for i, concept in enumerate(found.concepts) if concept.id == wanted]
        assert len(chosen) >= 4
        for picture in found.pixels[chosen]:
            r, g, _ = picture[picture[..., 3] > 200][:, :3].mean(0)
            assert bool(r > g + 30) is red


def test_both_sizes_show_the_same():
    large, small = (on_white(emoji_pictures(s, "smileys_emotion", "twemoji").pixels).astype(float) for s in (64, 32))
    n = len(large)
    averaged = large.reshape(n, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(averaged - small).mean() < 4


def test_on_white():
    pixels = np.array([[0, 0, 0, 0], [10, 20, 30, 255], [0, 0, 0, 128]], np.uint8)
    assert on_white(pixels).tolist() == [[255, 255, 255], [10, 20, 30], [127, 127, 127]]


def test_all_fits_in_16_megabytes():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 16_000_000


@pytest.mark.parametrize("bad", [{"size": 48}, {"group": "fruit"}, {"style": "apple"}])
def test_bad_arguments_are_named(bad):
    with pytest.raises(ValueError, match=str(next(iter(bad.values())))):
        emoji_pictures(**bad)
