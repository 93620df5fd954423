"""SmolLM2 read out loud: every step from tokens to the scores of the next one, in plain torch.

Decoder-only, of the Llama family (Touvron et al. 2023, arXiv:2302.13971). Read it from the top: a layer is `project`
(what each token asks, offers and gives), `weigh` (where it looks), `mix` (what it takes), `finish` (what it makes of
it). The weights are those of the cache: shared, mapped, never copied. All is computed in float32.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.models.cache import OpenModel


class KeyValues(NamedTuple):
    """What a layer remembers of the tokens before: keys (already turned by RoPE) and values, (groups, S, d) each."""

    keys: Tensor
    values: Tensor


class Reading(NamedTuple):
    """What the model made of T tokens, S with those before them.

    logits:    (T, vocabulary) scores of the token after each; (1, vocabulary) where only the last was asked for.
    past:      keys and values, one pair a layer, to go on from.
    hidden:    (layers + 1, T, width), the stream before the first layer and after each; None unless looked at.
    attention: (layers, heads, T, S) weights, row t says where token t looks; None unless looked at.
    """

    logits: Tensor
    past: tuple[KeyValues, ...]
    hidden: Tensor | None = None
    attention: Tensor | None = None


class Decoder:
    """A Llama. Grouped-query attention (Ainslie et al. 2023): every head asks, those of a group share keys and values.

    Numbers: layers, heads, groups, size (d, of a head), context (tokens at most).
    """

    def __init__(self, opened: OpenModel) -> None:
        config = opened.config
        self.opened = opened  # as long as this lives, the weights stay
        self.weights = opened.tensors
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.groups = config["num_key_value_heads"]
        self.size = config["hidden_size"] // self.heads
        self.context, self.tiny = config["max_position_embeddings"], config["rms_norm_eps"]
        # RoPE, Su et al. 2021, eq. 34: pair i of a head turns by position · base^(-2i/d). It is computed as a division,
        # as in transformers: the power itself may differ in its last bit, and a late position multiplies that.
        speeds = 1 / config["rope_theta"] ** (torch.arange(0, self.size, 2) / self.size)
        angles = torch.outer(torch.arange(self.context).float(), speeds).repeat(1, 2)  # (context, d)
        self.cosine, self.sine = angles.cos(), angles.sin()

    def __call__(
        self,
        tokens: Tensor,
        past: tuple[KeyValues, ...] | None = None,
        keep: Tensor | None = None,
        look: bool = False,
        last: bool = False,
    ) -> Reading:
        """Read `tokens` (T,), int64, after those that `past` remembers.

        keep: (layers, heads), how much of each head's output is let through: 1, or 0 for a head switched off.
        look: return hidden states and attention. last: logits of the last token only.
        Raises ValueError where there is no token, or more than the context holds.
        """
        start = past[0].keys.shape[1] if past else 0
        if not 0 < len(tokens) <= self.context - start:
            raise ValueError(f"{len(tokens)} tokens after {start}; from 1 to {self.context} in all")
        x, remembered, looks = self.embed(tokens), [], []
        hidden = [x]
        for layer in range(self.layers):
            q, k, v = self.project(layer, x, start)
            if past:
                k, v = torch.cat([past[layer].keys, k], 1), torch.cat([past[layer].values, v], 1)
            weights = self.weigh(q, k, start)
            x = self.finish(layer, x, self.mix(weights, v), None if keep is None else keep[layer])
            remembered.append(KeyValues(k, v))
            if look:
                hidden.append(x)
                looks.append(weights)
        logits = self.predict(x[-1:] if last else x)
        if not look:
            return Reading(logits, tuple(remembered))
        return Reading(logits, tuple(remembered), torch.stack(hidden), torch.stack(looks))

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (T,) → the stream that the layers add to, (T, width)."""
        return F.embedding(tokens, self.weights["model.embed_tokens.weight"]).float()

    def project(self, layer: int, x: Tensor, start: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """What each token asks, offers and gives: q (heads, T, d), k and v (groups, T, d); q and k turned by RoPE.

        x: (T, width), the stream; start: the position of its first token.
        """
        normal = self.norm(f"layers.{layer}.input_layernorm", x)
        q, k, v = (
            self.linear(layer, f"self_attn.{each}_proj", normal).view(len(x), -1, self.size).transpose(0, 1)
            for each in "qkv"
        )
        return self.turn(q, start), self.turn(k, start), v

    def turn(self, x: Tensor, start: int) -> Tensor:
        """RoPE: turn each pair (i, i + d/2) of (…, T, d) by its position's angle, Su et al. 2021, eq. 34."""
        cosine, sine = self.cosine[start : start + x.shape[-2]], self.sine[start : start + x.shape[-2]]
        half = self.size // 2
        return x * cosine + torch.cat([-x[..., half:], x[..., :half]], -1) * sine

    def weigh(self, q: Tensor, k: Tensor, start: int = 0) -> Tensor:
        """Where each token looks: softmax(q·k/√d) over itself and those before it, Vaswani et al. 2017, eq. 1.

        q: (heads, T, d) of the tokens from position `start` on; k: (groups, S, d) of all. Returns (heads, T, S).
        One head with its group's key, or all with all.
        """
        scores = q @ shared(k, len(q)).transpose(1, 2) / math.sqrt(self.size)
        future = torch.ones(scores.shape[1:], dtype=torch.bool).triu(start + 1)
        return scores.masked_fill(future, -math.inf).softmax(2)

    def mix(self, weights: Tensor, v: Tensor) -> Tensor:
        """What each head takes: the values (groups, S, d), as much of each as (heads, T, S) say. (heads, T, d)."""
        return weights @ shared(v, len(weights))

    def finish(self, layer: int, x: Tensor, mixed: Tensor, keep: Tensor | None = None) -> Tensor:
        """The stream (T, width) after the layer: the heads' outputs (heads, T, d) are added, then the MLP's.

        keep: (heads,); a head with 0 is switched off here, before the output projection.
        """
        if keep is not None:
            mixed = mixed * keep[:, None, None]
        x = x + self.linear(layer, "self_attn.o_proj", mixed.transpose(0, 1).flatten(1))
        normal = self.norm(f"layers.{layer}.post_attention_layernorm", x)
        gate, up = self.linear(layer, "mlp.gate_proj", normal), self.linear(layer, "mlp.up_proj", normal)
        return x + self.linear(layer, "mlp.down_proj", F.silu(gate) * up)  # SwiGLU, Shazeer 2020, eq. 6

    def predict(self, x: Tensor) -> Tensor:
        """The stream (…, width), after the last layer or any other, → scores of the next token (…, vocabulary)."""
        output = self.weights.get("lm_head.weight", self.weights["model.embed_tokens.weight"])  # tied, as a rule
        return F.linear(self.norm("norm", x), output.float())

    def linear(self, layer: int, name: str, x: Tensor) -> Tensor:
        """x Wᵀ; a Llama has no biases."""
        return F.linear(x, self.weights[f"model.layers.{layer}.{name}.weight"].float())

    def norm(self, name: str, x: Tensor) -> Tensor:
        """RMSNorm, Zhang & Sennrich 2019, eq. 4: (…, width) → the same, of length √width, then scaled."""
        scale = (x * x).mean(-1, keepdim=True).add(self.tiny).rsqrt()
        return self.weights[f"model.{name}.weight"].float() * (x * scale)


def shared(groups: Tensor, heads: int) -> Tensor:
    """(groups, S, d) → (heads, S, d): the heads of a group share it."""
    return groups.repeat_interleave(heads // len(groups), 0)
