"""Why positions: attention by itself cannot tell one order of words from another, and three ways to tell it.

Read it from the top: the three encodings, plain attention, then Positions, whose every step shuffles the words.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shared.live.experiment import Curves, Experiment, Frame, Heatmap, Plain, Series, knob

ENCODINGS = ("none", "sinusoidal", "learned", "rotary")
WORDS = 24  # at most; more could not be read
LEARNED_BY = "all-minilm-l6-v2"  # the model whose learned positions are shown


@dataclass(frozen=True)
class PositionsConfig:
    """The settings."""

    words: str = knob("the dog bit the man", length=400)
    encoding: str = knob("sinusoidal", choices=ENCODINGS)
    dimension: int = knob(64, low=2, high=384)  # numbers a position; made even
    base: float = knob(10_000.0, low=2.0, high=1_000_000.0, scale="log")  # how much slower the slowest wave is
    length: int = knob(64, low=8, high=256, scale="log")  # positions


def angles(places: Tensor, dimension: int, base: float) -> Tensor:
    """place / base^(2i / dimension), radians: places (T,) → (T, dimension / 2). Vaswani et al. 2017, section 3.5."""
    return places.double()[:, None] * base ** (-torch.arange(0, dimension, 2).double() / dimension)


def sinusoidal(places: Tensor, dimension: int, base: float) -> Tensor:
    """Sine and cosine of each angle by turns, (T, dimension), in -1 … 1. Vaswani et al. 2017, section 3.5."""
    turn = angles(places, dimension, base)
    return torch.stack([turn.sin(), turn.cos()], 2).flatten(1)


def rotate(x: Tensor, places: Tensor, base: float) -> Tensor:
    """Turn each pair of x (T, dimension) by its place's angle: rotary positions. Su et al. 2021, eq. 34."""
    turn = angles(places, x.shape[1], base)
    even, odd = x[:, 0::2], x[:, 1::2]
    return torch.stack([even * turn.cos() - odd * turn.sin(), even * turn.sin() + odd * turn.cos()], 2).flatten(1)


def learned(length: int, dimension: int) -> Tensor:
    """What MiniLM learned about its first positions, (length, dimension): Devlin et al. 2019, section 3.

    Raises Plain where the model cannot be opened here.
    """
    from shared.models.cache import the_cache

    table = the_cache().open(LEARNED_BY).tensors["embeddings.position_embeddings.weight"]
    return table[:length, :dimension].double()


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v, (T, dimension): Vaswani et al. 2017, eq. 1, without a mask."""
    return (q @ k.T / q.shape[1] ** 0.5).softmax(1) @ v


class Positions(Experiment[PositionsConfig]):
    """Shuffle a sentence and compare what attention says of each word before and after.

    Without positions every word gets the same answer wherever it stands (attention is permutation-equivariant, Lee et
    al. 2019, section 2): the differences are rounding. With them, each answer moves.

    Differences from the papers: random vectors for the words and random matrices for q, k and v; one head; double
    precision, so that "the same" can be told from "nearly".

    Metrics: `difference_without`, `difference_with` (largest change of any number in any word's answer, ≥ 0),
    `words_moved` (words that stand elsewhere than before).
    """

    id = "transformer/positions"

    def __init__(self, config: PositionsConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.words = tuple(config.words.split())
        if not 0 < len(self.words) <= WORDS:
            raise Plain("words_count", count=len(self.words), most=WORDS)
        self.dimension = config.dimension - config.dimension % 2
        known = sorted(set(self.words))
        vectors = torch.randn(len(known), self.dimension, dtype=torch.double)
        self.x = vectors[[known.index(word) for word in self.words]]
        self.matrices = torch.randn(3, self.dimension, self.dimension, dtype=torch.double) / self.dimension**0.5
        self.table = self.encode(torch.arange(config.length))
        self.order = torch.arange(len(self.words))
        self.before = {way: self.answers(self.order, way) for way in ("none", config.encoding)}
        self.differences = Series("without", "with")
        self.compare()

    def encode(self, places: Tensor) -> Tensor:
        """The encoding of some places (T,), (T, dimension). Rotary: what becomes of a vector of ones."""
        name, base = self.config.encoding, self.config.base
        if name == "sinusoidal":
            return sinusoidal(places, self.dimension, base)
        if name == "rotary":
            return rotate(torch.ones(len(places), self.dimension, dtype=torch.double), places, base)
        if name == "learned":
            return learned(len(places), self.dimension)
        return torch.zeros(len(places), self.dimension, dtype=torch.double)

    def answers(self, order: Tensor, encoding: str) -> Tensor:
        """What each word hears, (T, dimension), when the words stand in this order; in the first order's rows."""
        places = torch.arange(len(order))
        x = self.x[order]
        if encoding in ("sinusoidal", "learned"):
            x = x + self.encode(places)
        q, k, v = (x @ matrix for matrix in self.matrices)
        if encoding == "rotary":
            q, k = rotate(q, places, self.config.base), rotate(k, places, self.config.base)
        return attend(q, k, v)[order.argsort()]

    def step(self) -> None:
        """Another order of the same words."""
        self.order = torch.randperm(len(self.words))
        self.compare()

    def compare(self) -> None:
        """How far the answers have moved from those in the first order."""
        moved = {way: (self.answers(self.order, way) - self.before[way]) for way in self.before}
        self.moved_without, self.moved_with = moved["none"], moved[self.config.encoding]
        without, with_ = (float(change.abs().max()) for change in (self.moved_without, self.moved_with))
        self.differences.record(self.step_count, **{"without": without, "with": with_})
        self.difference_without, self.difference_with = without, with_

    def frame(self) -> Frame:
        """The encoding and its products; the shuffled words and how much each one's answer moved."""
        products = self.table @ self.table.T
        scale = float(self.table.abs().max()) or 1.0
        highest = float(products.abs().max()) or 1.0
        names = tuple(f"{i + 1} {self.words[i]}" for i in self.order.tolist())
        changes = torch.stack([self.moved_without, self.moved_with]).abs().amax(2)[:, self.order]  # (2, T)
        views = {
            "encoding": Heatmap(self.table.float().numpy(), -scale, scale),
            "products": Heatmap(products.float().numpy(), -highest, highest),
            "distance": Curves({"product": by_distance(products)}),
            "shuffled": Heatmap(changes.float().numpy(), 0.0, float(changes.max()) or 1.0, ("x", "x + p"), names),
            "differences": Curves(self.differences.curves()),
        }
        metrics = {
            "difference_without": self.difference_without,
            "difference_with": self.difference_with,
            "words_moved": float((self.order != torch.arange(len(self.words))).sum()),
        }
        return Frame(metrics, views)


def by_distance(products: Tensor) -> np.ndarray:
    """The mean product of two places against how far apart they are: (T, T) → float32 (T, 2) of distance, product."""
    means = [float(products.diagonal(distance).mean()) for distance in range(len(products))]
    return np.array(list(enumerate(means)), np.float32)
