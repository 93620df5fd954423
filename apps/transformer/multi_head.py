"""Multi-head attention from scratch: each word in turn asks all the others, in several heads at once.

Read it from the top: one word's attention in four lines, then MultiHead, which takes a sentence word by word.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared.live.experiment import Experiment, Frame, Heatmap, Images, Plain, Tokens, knob

SENTENCE = "the cat chased the dog because it was hungry"
WORDS = 24  # at most; more could not be read


@dataclass(frozen=True)
class MultiHeadConfig:
    """The settings, by the paper's names; d_v = d_k."""

    words: str = knob(SENTENCE, length=400)
    heads: int = knob(2, low=1, high=8)
    d_model: int = knob(16, low=2, high=64)
    d_k: int = knob(8, low=1, high=64)
    causal: bool = knob(False, live=True)  # a decoder's mask: nobody looks ahead
    temperature: float = knob(1.0, low=0.05, high=10.0, scale="log", live=True)  # 1 is the paper's


def compare(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Scores q·k / (√d_k τ): query (H, d_k), keys (H, T, d_k) → (H, T). Vaswani et al. 2017, eq. 1, with τ = 1."""
    return (keys @ query[..., None])[..., 0] / (math.sqrt(query.shape[-1]) * temperature)


def weigh(scores: Tensor, allowed: Tensor) -> Tensor:
    """Scores (H, T) → weights (H, T) that add up to 1; a word that is not `allowed`, (T,), gets exactly 0."""
    return scores.masked_fill(~allowed, -math.inf).softmax(-1)


def mix(weights: Tensor, values: Tensor) -> Tensor:
    """Weighted sums Σ_t w_t v_t: weights (H, T), values (H, T, d_v) → (H, d_v)."""
    return (weights[:, None] @ values)[:, 0]


class MultiHead(Experiment[MultiHeadConfig]):
    """One multi-head self-attention layer on one sentence. Vaswani et al. 2017, eq. 1 and section 3.2.2.

    Differences from the paper: the weights are random, not learned; one vector a word, alike wherever it stands (no
    positions); d_k can be chosen freely of the width and the number of heads; a temperature τ beside √d_k; the words
    are answered one after the other, so that it can be watched, where a library answers them all at once.

    Metrics: `row_entropy` (of the shown head's last weights, nats, 0 … log T) and `largest_weight` (0 … 1).
    """

    id = "transformer/multi_head"
    phases = ("ask", "score", "normalise", "answer")

    def __init__(self, config: MultiHeadConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.words = tuple(config.words.split())
        if not 0 < len(self.words) <= WORDS:
            raise Plain("words_count", count=len(self.words), most=WORDS)
        count, width, inner = len(self.words), config.d_model, config.heads * config.d_k
        known = sorted(set(self.words))
        vectors = torch.randn(len(known), width)
        self.x = vectors[[known.index(word) for word in self.words]]  # (T, width): the same word, the same vector
        # What a trained network would have learned. Entries of variance 1 / width keep the products near 1.
        self.query_weights, self.key_weights, self.value_weights = torch.randn(3, width, inner) / math.sqrt(width)
        self.output_weights = torch.randn(inner, width) / math.sqrt(inner)
        self.q, self.k, self.v = map(self.split, (self.query_weights, self.key_weights, self.value_weights))
        self.scores, self.weights = torch.zeros(2, config.heads, count, count)
        self.mixed = torch.zeros(config.heads, count, config.d_k)
        self.output = torch.zeros(count, width)
        self.shown = 0  # the head that is drawn large
        self.asking = 0  # the word that asks

    def split(self, weights: Tensor) -> Tensor:
        """x W, cut into heads: (T, width) → (H, T, d_k)."""
        return (self.x @ weights).view(len(self.words), self.config.heads, -1).transpose(0, 1).contiguous()

    # -- one word, in four phases --------------------------------------------------------------------------

    def ask(self) -> None:
        """The next word's query, one a head: what is it looking for?"""
        self.asking = self.step_count
        self.query = self.q[:, self.asking]  # (H, d_k)

    def score(self) -> None:
        """How well every word's key fits that query."""
        self.scores[:, self.asking] = compare(self.query, self.k, self.config.temperature)

    def normalise(self) -> None:
        """Scores become weights."""
        self.weights[:, self.asking] = weigh(self.scores[:, self.asking], self.allowed(self.asking))

    def answer(self) -> None:
        """The values, mixed by the weights; the heads side by side, and one last matrix."""
        self.mixed[:, self.asking] = mix(self.weights[:, self.asking], self.v)
        self.output[self.asking] = self.mixed[:, self.asking].flatten() @ self.output_weights

    def allowed(self, word: int) -> Tensor:
        """Whom this word may look at, (T,)."""
        last = word if self.config.causal else len(self.words) - 1
        return torch.arange(len(self.words)) <= last

    @property
    def done(self) -> bool:
        """Every word has its answer."""
        return self.step_count >= len(self.words)

    def on_knob(self, name: str, value: bool | int | float | str) -> None:
        """The words that have been answered are answered again, with the new mask or temperature."""
        super().on_knob(name, value)
        asking = self.asking
        for word in range(self.step_count):
            self.asking, self.query = word, self.q[:, word]
            self.score()
            self.normalise()
            self.answer()
        self.asking, self.query = asking, self.q[:, asking]

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A click on a small map shows that head large."""
        index = event.get("index")
        if event.get("kind") != "select" or event.get("view") != "head_maps":
            super().on_event(event)  # raises
        if type(index) is not int or not 0 <= index < self.config.heads:
            raise Plain("event_unknown", kind=f"select {str(index)[:40]}")
        self.shown = index

    # -- what there is to see --------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """Every intermediate of the shown head, with its words; what has not been asked yet is still 0."""
        head, words = self.shown, tuple(f"{i + 1} {word}" for i, word in enumerate(self.words))
        largest = float(self.scores.abs().max()) or 1.0
        views = {
            "shapes": self.shapes(),
            "x": matrix(self.x, words),
            "q": matrix(self.q[head], words),
            "k": matrix(self.k[head], words),
            "v": matrix(self.v[head], words),
            "scores": Heatmap(self.scores[head].numpy().copy(), -largest, largest, words, words),
            "weights": Heatmap(self.weights[head].numpy().copy(), 0.0, 1.0, words, words),
            "head_maps": Images(pictures(self.weights), 0, (), selectable=True, selected=(head,)),
            "mixed": matrix(self.mixed[head], words),
            "output": matrix(self.output, words),
        }
        last = self.weights[head, self.asking]
        entropy = float(-(last * last.clamp_min(1e-30).log()).sum())
        return Frame({"row_entropy": max(0.0, entropy), "largest_weight": float(last.max())}, views)

    def shapes(self) -> Tokens:
        """The name and shape of every tensor, in the order in which they come about."""
        tensors = {"x": self.x, "Q": self.q, "K": self.k, "V": self.v, "scores": self.scores, "weights": self.weights}
        tensors |= {"mixed": self.mixed, "output": self.output}
        pieces = tuple(f"{name} {tuple(tensor.shape)}   " for name, tensor in tensors.items())
        return Tokens(pieces, np.array([float(tensor.any()) for tensor in tensors.values()], np.float32))


def matrix(values: Tensor, words: tuple[str, ...]) -> Heatmap:
    """(T, D) with a word a row, on a scale that is the same on both sides of 0."""
    largest = float(values.abs().max()) or 1.0
    return Heatmap(values.numpy().copy(), -largest, largest, words)


def pictures(weights: Tensor) -> np.ndarray:
    """Weights (H, T, T) as grey pictures, uint8, white = 1."""
    return (255 * weights).round().to(torch.uint8).numpy()
