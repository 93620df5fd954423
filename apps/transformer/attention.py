"""Look inside two pretrained Transformers: where every head looks, in numbers, and what changes without it.

Read it from the top: what a head's weights say of it, attention rolled out through the layers, then Attention, whose
step is one layer. How a text becomes tokens stands in reading.py; the models, in shared/models/decoder.py, encoder.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from apps.transformer.reading import is_punctuation, place, read, visible
from shared.live.experiment import Bars, Experiment, Frame, Heatmap, Images, Links, Value, knob
from shared.models.cache import the_cache
from shared.models.decoder import Decoder
from shared.models.encoder import Encoder

MODELS = {"minilm": "all-minilm-l6-v2", "smollm2": "smollm2-135m-instruct"}
# Layer, head and asking token to begin with: in the text to begin with, "it" finds "cat" there.
BEGIN = {"minilm": (5, 11, 9), "smollm2": (13, 8, 8)}
THUMBNAIL, LARGEST = 32, 1024  # pixels a side at most; of a longer text each pixel is the largest weight in its place
ROLLED = 1024  # tokens of the rollout: the product of matrices is the one cost that grows with their cube
LINKED, LINES, FAINTEST = 48, 6, 0.03  # tokens between which lines are drawn, lines a token, the weakest line
AT_ONCE = 256  # tokens: what a switched-off head changes is followed to the top at once; in longer texts, by steps
CANDIDATES = 8  # bars


@dataclass(frozen=True)
class AttentionConfig:
    """The settings; with the default text a step costs about 10 ms."""

    model: str = knob("minilm", choices=tuple(MODELS))
    sentence: str = knob("The cat did not eat its food because it was too", length=60_000)
    second: str = knob("The cat was hungry.", length=500)  # what the encoder compares the text with; may be empty
    keep: str = knob("all", choices=("all", "all_but_this", "only_this", "all_but_pressed"), live=True)


# -- what a head's weights say of it ---------------------------------------------------------------------------


def statistics(weights: Tensor, punctuation: Tensor) -> dict[str, float]:
    """A head's habits, from its weights (T, T), each row a token that asks, and which tokens are punctuation (T,).

    entropy:     mean over rows of -Σ w log w, nats: 0 where one token gets all, log T where all get the same.
    distance:    mean over rows of Σ w |i - j|, tokens.
    previous:    share that goes to the token before, on average over the rows from the second on (as in `first`).
    first:       share that goes to the first token, where heads look that find nothing (Xiao et al. 2023).
    punctuation: share that goes to marks (Clark et al. 2019, section 3.2).
    """
    places = torch.arange(len(weights))
    apart = (places[:, None] - places[None]).abs()
    later = weights[1:] if len(weights) > 1 else torch.zeros(1, 1)
    return {
        "entropy": torch.special.entr(weights).sum(1).mean().item(),
        "distance": (weights * apart).sum(1).mean().item(),
        "previous": later.diagonal().mean().item(),
        "first": later[:, 0].mean().item(),
        "punctuation": weights[:, punctuation].sum(1).mean().item(),
    }


def roll_out(before: Tensor, weights: Tensor) -> Tensor:
    """Attention rollout one layer further: how much of each input token is in each place, (T, T).

    Abnar & Zuidema 2020, eq. 1 and section 3: the mean of the heads, `weights` (T, T), and half of it the stream that
    goes straight on. `before` is the rollout up to the layer below; the identity beneath the first.
    """
    return (weights + torch.eye(len(weights))) / 2 @ before


def kept_heads(keep: str, heads: int, head: int) -> Tensor:
    """Which heads of the chosen one's layer are let through, (heads,). Michel et al. 2019, sections 3.2 and 3.3."""
    chosen = F.one_hot(torch.tensor(head), heads).float()
    return {"all_but_this": 1 - chosen, "only_this": chosen}.get(keep, torch.ones(heads))


def thumbnails(weights: Tensor) -> Tensor:
    """Weights (M, T, T) as grey pictures, uint8, no larger than THUMBNAIL; each row as bright as its largest allows."""
    small = F.adaptive_max_pool2d(weights[None], min(len(weights[0]), THUMBNAIL))[0]
    return (255 * small / small.amax(2, keepdim=True)).round().to(torch.uint8)


class Attention(Experiment[AttentionConfig]):
    """The attention of a pretrained Transformer on any text, layer by layer. Vaswani et al. 2017, eq. 1.

    Two models: MiniLM, encoder-only (every token looks everywhere), and SmolLM2, decoder-only (nobody looks ahead).
    Metrics: `layers_read`; of the chosen head `entropy` (nats), `distance` (tokens), `previous`, `first`,
    `punctuation` (shares); of the chosen pair `score` (q·k/√d) and `weight`; `moved`, what the switched-off heads
    change: the decoder's KL(before ‖ after) of the next token, nats, the encoder's 1 - cosine(before, after);
    `tokens` read and `left_out` for want of context.
    """

    id = "transformer/attention"
    step_seconds = 120.0  # one layer of a text that fills the decoder's context

    def __init__(self, config: AttentionConfig, seed: int) -> None:
        super().__init__(config, seed)
        opened = the_cache().open(MODELS[config.model])
        self.model: Decoder | Encoder = Decoder(opened) if config.model == "smollm2" else Encoder(opened)
        text = read(self.model, config.sentence)
        self.pieces, self.left_out = text.pieces, text.left_out
        self.layer, self.head, asks = BEGIN[config.model]
        self.asks = min(asks, len(self.pieces) - 1)
        self.asked = -1  # -1: whomever the asking token looks at most
        self.streams = [self.model.embed(text.ids)]  # (T, width) before the first layer, and after each one read
        side = min(len(self.pieces), THUMBNAIL)
        self.small = torch.zeros(self.model.layers, self.model.heads, side, side, dtype=torch.uint8)
        self.rolled = torch.eye(min(len(self.pieces), ROLLED))
        self.pressed = torch.zeros(self.model.layers, self.model.heads)  # 1: to be switched off
        self.ablate()

    # -- one layer ---------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """All layers are read, with all heads and without those switched off."""
        return len(self.streams) > self.model.layers and self.reached == self.model.layers

    def step(self) -> None:
        """Read one layer, with all heads and without those switched off; the latter may also be left to do."""
        layer = len(self.streams) - 1
        together = self.reached == layer
        if layer < self.model.layers:
            self.streams.append(self.through(layer, self.streams[-1]))
        if self.reached < len(self.streams) - 1 and (together or layer == self.model.layers):
            self.climb()
        self.look()

    def through(self, layer: int, x: Tensor, kept: Tensor | None = None) -> Tensor:
        """The stream (T, width) after a layer, with all heads or those `kept` (heads,).

        One head after the other: the weights of all at once would fill the memory, in a long text.
        """
        q, k, v = self.model.project(layer, x)
        mean, mixed = torch.zeros_like(self.rolled), torch.empty_like(q)
        for head in range(self.model.heads):
            group = slice(head * len(k) // self.model.heads, head * len(k) // self.model.heads + 1)
            weights = self.model.weigh(q[head : head + 1], k[group])
            mixed[head] = self.model.mix(weights, v[group])[0]
            if kept is None:
                mean += weights[0, :ROLLED, :ROLLED] / self.model.heads
                self.small[layer, head] = thumbnails(weights)[0]
        if kept is None:
            self.rolled = roll_out(self.rolled, mean)
        return self.model.finish(layer, x, mixed, kept)

    def look(self) -> None:
        """The chosen head's weights (T, T) and its q, k, v; of the layer that is read next, while it is not reached."""
        self.seen = min(self.layer, len(self.streams) - 1, self.model.layers - 1)
        q, k, v = self.model.project(self.seen, self.streams[self.seen])
        group = self.head * len(k) // self.model.heads
        self.q, self.k, self.v = q[self.head], k[group], v[group]  # (T, d) each
        self.weights = self.model.weigh(self.q[None], self.k[None])[0]

    # -- the same with heads switched off ----------------------------------------------------------------------

    def ablate(self) -> None:
        """Begin anew beneath the lowest head switched off, and climb as far as may be at once."""
        self.kept = 1 - self.pressed * (self.config.keep == "all_but_pressed")
        self.kept[self.layer] *= kept_heads(self.config.keep, self.model.heads, self.head)
        self.lowest = min((self.kept == 0).any(1).nonzero().flatten().tolist(), default=self.model.layers)
        self.reached = min(self.lowest, len(self.streams) - 1)
        self.cut = self.streams[self.reached]
        self.compare()
        while self.reached < len(self.streams) - 1 and len(self.pieces) <= AT_ONCE:
            self.climb()
        self.look()

    def climb(self) -> None:
        """One layer of the changed stream. Switched off: the head's output is 0 before the output projection."""
        layer, self.reached = self.reached, self.reached + 1
        below = layer < self.lowest
        self.cut = self.streams[self.reached] if below else self.through(layer, self.cut, self.kept[layer])

    def compare(self) -> None:
        """The second sentence's stream at every layer (layers + 1, T, width), with all heads and without some."""
        self.other: list[Tensor] = []
        if isinstance(self.model, Encoder) and self.config.second.strip():
            ids = read(self.model, self.config.second).ids
            for kept in (None, self.kept):
                hidden = self.model(ids, kept, look=True).hidden
                assert hidden is not None
                self.other.append(hidden)

    # -- what there is to see ----------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """Every head small, the chosen one large, as lines and in numbers, the rollout, and what comes of it."""
        total = len(self.pieces)
        shown, rolled = self.pieces if total <= LARGEST else (), self.pieces[:ROLLED]
        large = self.weights if total <= LARGEST else F.adaptive_max_pool2d(self.weights[None], LARGEST)[0]
        scale = len(large) / total
        (asks, asked), (before, after, moved) = self.pair(), self.outcome()
        views = {
            "heads": self.small_maps(),
            "map": Heatmap(
                large.numpy().copy(), 0.0, 1.0, shown, shown, selectable=True,
                selected=(int(asks * scale), int(asked * scale)),
            ),
            "links": self.links(),
            "pair": self.arithmetic(asks, asked),
            "rollout": Heatmap(self.rolled.numpy().copy(), 0.0, self.rolled.max().item(), rolled, rolled),
            "outcome": before,
            "outcome_cut": after,
        }  # fmt: skip
        marks = torch.tensor([is_punctuation(piece) for piece in self.pieces])
        metrics = statistics(self.weights, marks) | {
            "layers_read": len(self.streams) - 1,
            "score": (self.q[asks] @ self.k[asked] / math.sqrt(self.model.size)).item(),
            "weight": self.weights[asks, asked].item(),
            "moved": moved,
            "tokens": total,
            "left_out": self.left_out,
        }
        return Frame(metrics, views)

    def small_maps(self) -> Images:
        """Every head, black where it is switched off: the layers or the heads across, whichever are more."""
        layers = tuple(f"L{layer}" for layer in range(1, self.model.layers + 1))
        heads = tuple(f"H{head}" for head in range(1, self.model.heads + 1))
        order = torch.arange(len(layers) * len(heads)).view(len(layers), len(heads))
        order = order.T if self.layers_across else order  # row by row, which head of the model stands there
        pictures = (self.small * self.kept[..., None, None].byte()).flatten(0, 1)[order.flatten()]
        labels = tuple(f"{i // len(heads) + 1}.{i % len(heads) + 1}" for i in order.flatten().tolist())
        chosen = int((order.flatten() == self.seen * len(heads) + self.head).nonzero())
        across, down = (layers, heads) if self.layers_across else (heads, layers)
        return Images(pictures.numpy(), len(across), labels, True, (chosen,), across=across, down=down)

    @property
    def layers_across(self) -> bool:
        """Whether a row of the small maps is a head in all layers, and not a layer with all its heads."""
        return self.model.layers >= self.model.heads

    def pair(self) -> tuple[int, int]:
        """The chosen pair: who asks, who is asked."""
        return self.asks, int(self.weights[self.asks].argmax()) if self.asked < 0 else self.asked

    def arithmetic(self, asks: int, asked: int) -> Heatmap:
        """q and k of the pair, number by number, and their products, whose sum is √d · score; v, and what it gives."""
        q, k, v = self.q[asks], self.k[asked], self.v[asked]
        rows = torch.stack([q, k, q * k, v, self.weights[asks, asked] * v])
        end = rows.abs().max().item()
        return Heatmap(rows.numpy(), -end, end, ("q", "k", "q × k", "v", "w × v"))

    def links(self) -> Links:
        """The strongest lines of the tokens around the one that asks."""
        first = max(0, min(self.asks - LINKED // 2, len(self.pieces) - LINKED))
        near = self.weights[first : first + LINKED, first : first + LINKED]
        strongest = near.topk(min(LINES, len(near)), dim=1)
        rows, ranks = (strongest.values >= FAINTEST).nonzero(as_tuple=True)
        ends = torch.stack([rows, strongest.indices[rows, ranks]], 1).to(torch.int32)
        selected = tuple(place - first for place in self.pair())
        inside = selected if all(0 <= place < len(near) for place in selected) else ()
        weights = strongest.values[rows, ranks]
        return Links(self.pieces[first : first + LINKED], ends.numpy(), weights.numpy(), first, inside)

    def outcome(self) -> tuple[Bars, Bars, float]:
        """What comes of the text as far as it is read: with all heads, without those switched off, and how far apart.

        Decoder: the likeliest next tokens as they would be guessed at this layer. Encoder: the cosine of the two
        sentences' vectors at this layer.
        """
        x, cut = self.streams[self.reached], self.cut
        if isinstance(self.model, Decoder):
            before, after = (self.model.predict(each[-1]).log_softmax(0) for each in (x, cut))
            best = before.topk(CANDIDATES).indices
            names = tuple(f"“{visible(self.model.opened.tokenizer.decode([i]))}”" for i in best.tolist())
            bars = [Bars(each[best].exp().numpy(), names, 0.0, 1.0) for each in (before, after)]
            return bars[0], bars[1], (before.exp() * (before - after)).sum().item()
        one, two = self.model.sentence(x), self.model.sentence(cut)
        pairs = zip((one, two), (self.model.sentence(hidden[self.reached]) for hidden in self.other), strict=False)
        same = [Bars((a @ b).reshape(1).numpy(), ("similarity",), -1.0, 1.0) for a, b in pairs]
        same = same or [Bars(np.zeros(0, np.float32), ())] * 2  # there is no second sentence
        return same[0], same[1], (one - two).square().sum().item() / 2  # 1 - cos of unit vectors, without its rounding

    # -- what a person does ------------------------------------------------------------------------------------

    def on_knob(self, name: str, value: Value) -> None:
        """Heads are switched off or on again."""
        super().on_knob(name, value)
        self.ablate()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A click on a small map chooses a head; on a token or a cell, the pair whose numbers are shown."""
        view, total = event.get("view"), len(self.pieces)
        if event.get("kind") != "select" or view not in ("heads", "links", "map"):
            super().on_event(event)  # raises
        if view == "heads":
            chosen = place(event, "index", self.model.heads * self.model.layers)
            if self.layers_across:
                self.head, self.layer = divmod(chosen, self.model.layers)
            else:
                self.layer, self.head = divmod(chosen, self.model.heads)
            if self.config.keep == "all_but_pressed":
                self.pressed[self.layer, self.head] = 1 - self.pressed[self.layer, self.head]
            self.ablate()
        elif view == "map":
            scale = total / min(total, LARGEST)
            self.asks, self.asked = (int(place(event, end, min(total, LARGEST)) * scale) for end in ("row", "column"))
        elif event.get("side") == "asked":
            self.asked = place(event, "index", total)
        else:
            self.asks, self.asked = place(event, "index", total), -1

    def inherit(self, before: Experiment[AttentionConfig]) -> None:
        """Another text is looked at with the same head; a short one is read at once where the last was read."""
        if isinstance(before, Attention) and before.config.model == self.config.model:
            self.layer, self.head, self.pressed = before.layer, before.head, before.pressed.clone()
            if before.pieces == self.pieces:
                self.asks, self.asked = before.asks, before.asked
            self.ablate()
            while before.done and before.config != self.config and len(self.pieces) <= AT_ONCE and not self.done:
                self.step()
