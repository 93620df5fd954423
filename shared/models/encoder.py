"""MiniLM read out loud: every step from tokens to a sentence's vector, in plain torch.

Encoder-only, of the BERT family (Devlin et al. 2019, arXiv:1810.04805): every token sees every other. Its methods are
those of decoder.py, so that the two can be read side by side: no mask, places learned instead of turned, normalised
after each addition instead of before. The weights are the cache's: shared, mapped, never copied; all in float32.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.models.cache import OpenModel


class Encoding(NamedTuple):
    """What the model made of T tokens.

    sentence:  (width,), of length 1.
    hidden:    (layers + 1, T, width), the stream before the first layer and after each; None unless looked at.
    attention: (layers, heads, T, T) weights, row t says where token t looks; None unless looked at.
    """

    sentence: Tensor
    hidden: Tensor | None = None
    attention: Tensor | None = None


class Encoder:
    """A BERT, and on top of it the mean that makes one vector of a sentence (Reimers & Gurevych 2019).

    Numbers: layers, heads, size (d, of a head), context (tokens at most, [CLS] and [SEP] among them).
    """

    def __init__(self, opened: OpenModel) -> None:
        config = opened.config
        self.opened = opened  # as long as this lives, the weights stay
        self.weights = opened.tensors
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.size = config["hidden_size"] // self.heads
        self.context, self.tiny = config["max_position_embeddings"], config["layer_norm_eps"]

    def __call__(self, tokens: Tensor, keep: Tensor | None = None, look: bool = False) -> Encoding:
        """Read `tokens` (T,), int64, from [CLS] to [SEP].

        keep: (layers, heads), how much of each head's output is let through: 1, or 0 for a head switched off.
        look: return hidden states and attention.
        Raises ValueError where there is no token, or more than the context holds.
        """
        x, looks = self.embed(tokens), []
        hidden = [x]
        for layer in range(self.layers):
            q, k, v = self.project(layer, x)
            weights = self.weigh(q, k)
            x = self.finish(layer, x, self.mix(weights, v), None if keep is None else keep[layer])
            if look:
                hidden.append(x)
                looks.append(weights)
        return (
            Encoding(self.sentence(x), torch.stack(hidden), torch.stack(looks)) if look else Encoding(self.sentence(x))
        )

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (T,) → the stream (T, width): what each is, where it stands, and that this is a first sentence."""
        if not 0 < len(tokens) <= self.context:
            raise ValueError(f"{len(tokens)} tokens; from 1 to {self.context}")
        words, places, sentences = (
            self.weights[f"embeddings.{each}_embeddings.weight"] for each in ("word", "position", "token_type")
        )
        x = F.embedding(tokens, words) + places[: len(tokens)] + sentences[0]
        return self.norm("embeddings.LayerNorm", x.float())

    def project(self, layer: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each token of the stream (T, width) asks, offers and gives: q, k and v, (heads, T, d) each."""
        q, k, v = (
            self.linear(f"encoder.layer.{layer}.attention.self.{each}", x).view(len(x), -1, self.size).transpose(0, 1)
            for each in ("query", "key", "value")
        )
        return q, k, v

    def weigh(self, q: Tensor, k: Tensor) -> Tensor:
        """Where each token looks: softmax(q·k/√d) over all of them, Vaswani et al. 2017, eq. 1. (heads, T, S)."""
        return (q @ k.transpose(1, 2) / math.sqrt(self.size)).softmax(2)

    def mix(self, weights: Tensor, v: Tensor) -> Tensor:
        """What each head takes: the values (heads, S, d), as much of each as (heads, T, S) say. (heads, T, d)."""
        return weights @ v

    def finish(self, layer: int, x: Tensor, mixed: Tensor, keep: Tensor | None = None) -> Tensor:
        """The stream (T, width) after the layer: the heads' outputs (heads, T, d) are added, then the MLP's.

        keep: (heads,); a head with 0 is switched off here, before the output projection.
        """
        name = f"encoder.layer.{layer}"
        if keep is not None:
            mixed = mixed * keep[:, None, None]
        attended = self.linear(f"{name}.attention.output.dense", mixed.transpose(0, 1).flatten(1))
        x = self.norm(f"{name}.attention.output.LayerNorm", x + attended)
        thought = self.linear(f"{name}.output.dense", F.gelu(self.linear(f"{name}.intermediate.dense", x)))
        return self.norm(f"{name}.output.LayerNorm", x + thought)

    def sentence(self, x: Tensor) -> Tensor:
        """The stream (T, width) → its mean over the tokens, scaled to length 1: cosines are then plain dot products."""
        return F.normalize(x.mean(0), dim=0)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """x Wᵀ + b."""
        return F.linear(x, self.weights[f"{name}.weight"].float(), self.weights[f"{name}.bias"].float())

    def norm(self, name: str, x: Tensor) -> Tensor:
        """LayerNorm, Ba et al. 2016, eq. 3: (…, width) → mean 0 and variance 1, then scaled and shifted."""
        scale, shift = self.weights[f"{name}.weight"].float(), self.weights[f"{name}.bias"].float()
        return F.layer_norm(x, x.shape[-1:], scale, shift, self.tiny)
