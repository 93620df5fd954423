"""SmolLM2 writes a text, token by token: what it might write next, how one is drawn, and how the layers come to it.

Read it from the top: the filters between scores and choice, what the layers say, the tree of all that was written,
the reader that remembers keys and values, then Generate, whose step is one token. The model itself stands in
shared/models/decoder.py.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from apps.transformer.reading import place, read, visible
from shared.live.experiment import Bars, Experiment, Frame, Heatmap, Plain, Tokens, knob
from shared.models.cache import OpenModel, the_cache
from shared.models.decoder import Decoder, KeyValues

MODEL = "smollm2-135m-instruct"
CONTEXT = 1024  # tokens of a branch, its prompt among them: 47 MB to remember; the model's own 8,192 would be 380
AT_ONCE = 256  # tokens read together: the memory that attention takes grows with their number
CANDIDATES, COMPARED = 12, 8  # bars; words followed through the layers
LENSED = 16  # layers asked by the lens at most, evenly apart: each is a product with the whole vocabulary


@dataclass(frozen=True)
class GenerateConfig:
    """The settings; with the default ones a step costs about 80 ms on one core."""

    prompt: str = knob("The capital of Spain is", length=4_000)
    greedy: bool = knob(False, live=True)  # always the likeliest; the four below then have no say
    temperature: float = knob(0.8, low=0.1, high=2.0, live=True)
    top_k: int = knob(50, low=1, high=49_152, scale="log", live=True)  # 49,152: all that SmolLM2 knows
    top_p: float = knob(1.0, low=0.01, high=1.0, live=True)  # 1: no filter
    min_p: float = knob(0.0, low=0.0, high=1.0, live=True)  # 0: no filter
    cache: bool = knob(True, live=True)  # whether keys and values of the tokens before are kept, or computed again
    layer: int = knob(0, low=0, high=30, live=True)  # whose attention is shown; 0: the mean of all
    head: int = knob(0, low=0, high=9, live=True)


# -- from scores to a choice -----------------------------------------------------------------------------------


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Of the scores (V,) the k largest; the others become -∞. Fan et al. 2018, section 5.4."""
    return logits.masked_fill(logits < logits.topk(min(k, len(logits))).values[-1], -math.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Of the scores (V,) those of the fewest likeliest tokens that have p together. Holtzman et al. 2020, eq. 2."""
    likely, order = logits.softmax(0).sort()  # the least likely first: they go while all together have 1 - p at most
    return logits.index_fill(0, order[likely.cumsum(0) <= 1 - p], -math.inf)


def keep_min_p(logits: Tensor, m: float) -> Tensor:
    """Of the scores (V,) those of tokens at least m times as likely as the likeliest. Nguyen et al. 2024."""
    likely = logits.softmax(0)
    return logits.masked_fill(likely < m * likely.max(), -math.inf)


def distribution(logits: Tensor, temperature: float, k: int, top_p: float, min_p: float) -> Tensor:
    """What the next token is drawn from, (V,): its scores over the temperature, filtered three times, then softmax.

    Temperature as in Hinton et al. 2015, eq. 1; the filters in the order in which transformers applies them.
    """
    logits = keep_top_k(logits / temperature, k)
    return keep_min_p(keep_top_p(logits, top_p), min_p).softmax(0)


def surprise(logits: Tensor, token: int) -> float:
    """-log p of a token by its scores (V,), nats; temperature and filters do not enter."""
    return -logits.log_softmax(0)[token].item()


def layers_say(model: Decoder, hidden: Tensor) -> Tensor:
    """The logit lens: the next token as each layer would have it, were it the last. nostalgebraist 2020.

    hidden: (L, width), the stream of one token after L layers. Returns probabilities (L, V).
    """
    return model.predict(hidden).softmax(1)


def lensed(layers: int) -> list[int]:
    """After how many layers the lens is held, from 0 to all of them: after each, or every second, third, …"""
    apart = math.ceil((layers + 1) / LENSED)
    return list(range(layers % apart, layers + 1, apart))


# -- what was written ------------------------------------------------------------------------------------------


def branches(parents: list[int]) -> list[list[int]]:
    """The tree that each node's parent (-1: none) makes, in branches: from the root, and from each fork."""
    children: list[list[int]] = [[] for _ in parents]
    for node, parent in enumerate(parents[1:], 1):
        children[parent].append(node)
    starts, found = [0], []
    while starts:
        branch = [starts.pop(0)]
        while children[branch[-1]]:
            following, *others = children[branch[-1]]
            starts += others
            branch.append(following)
        found.append(branch)
    return found


def spell(opened: OpenModel, token: int) -> str:
    """A token as it is read; one that is a part of a character's bytes by its number, what has no shape by its code."""
    piece = opened.text_tokenizer.decode([token], skip_special_tokens=False)
    if "\ufffd" in piece:
        return f"‹{token}›"
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in piece)


class Reader:
    """A decoder and what it remembers of the tokens it has read: the KV cache (Pope et al. 2022).

    Of the last token: `logits` (V,), scores of the one after it; `hidden` (layers + 1, width), its stream;
    `attention` (layers, heads, S), where it looks among all S.
    """

    def __init__(self, model: Decoder) -> None:
        self.model = model
        self.forget()

    def forget(self) -> None:
        """Keep no key and no value."""
        self.tokens: list[int] = []
        self.past: tuple[KeyValues, ...] = ()

    def read(self, tokens: list[int]) -> None:
        """Have read exactly these: go on from what is remembered of their beginning. The last is always read."""
        same = (i for i, (old, new) in enumerate(zip(self.tokens, tokens, strict=False)) if old != new)
        known = min(next(same, len(self.tokens)), len(tokens) - 1)
        past = tuple(KeyValues(each.keys[:, :known], each.values[:, :known]) for each in self.past)
        for start in range(known, len(tokens) - 1, AT_ONCE):
            piece = torch.tensor(tokens[start : min(start + AT_ONCE, len(tokens) - 1)])
            past = self.model(piece, past, last=True).past
        reading = self.model(torch.tensor(tokens[-1:]), past, look=True)
        assert reading.hidden is not None and reading.attention is not None
        self.tokens, self.past, self.logits = list(tokens), reading.past, reading.logits[0]
        self.hidden, self.attention = reading.hidden[:, 0], reading.attention[:, :, 0]
        self.lens: Tensor | None = None

    def layers(self) -> Tensor:
        """The logit lens of the last token; computed when a frame first needs it, since it costs a third of a token."""
        if self.lens is None:
            self.lens = layers_say(self.model, self.hidden[lensed(self.model.layers)])
        return self.lens

    def guess(self, tokens: list[int]) -> list[float]:
        """-log p, nats, of each of `tokens` from the second on; all but the last are then read."""
        found: list[float] = []
        for start in range(0, len(tokens) - 1, AT_ONCE):
            piece = torch.tensor(tokens[start : start + AT_ONCE + 1])
            reading = self.model(piece[:-1], self.past)
            self.past, self.tokens = reading.past, self.tokens + piece[:-1].tolist()
            found += F.cross_entropy(reading.logits, piece[1:], reduction="none").tolist()
        return found

    def state_dict(self) -> dict[str, Any]:
        """Everything remembered: a run that goes on must not compute a number in another order."""
        plain = {name: getattr(self, name) for name in ("tokens", "logits", "hidden", "attention")}
        return plain | {"past": [list(each) for each in self.past]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.past = tuple(KeyValues(*each) for each in state["past"])
        self.tokens, self.logits = state["tokens"], state["logits"]
        self.hidden, self.attention, self.lens = state["hidden"], state["attention"], None


class Generate(Experiment[GenerateConfig]):
    """A pretrained decoder-only Transformer writes. Radford et al. 2018, eq. 1, read from left to right.

    Everything written is kept as a tree of tokens: a click on another candidate begins a branch, a click on a token
    goes back to it. Difference from the model: a branch ends at CONTEXT tokens.

    Metrics: `tokens` of the branch; `branches`; `candidates` that the filters leave; `surprise` of the last token
    (nats); `cached_tokens_per_second` and `uncached_tokens_per_second`, measured while each is in use, 0 before.
    """

    id = "transformer/generate"
    step_seconds = 120.0  # a full branch without the cache
    frame_share = 0.15  # a frame's lens is a third of a step: the writing keeps its pace

    def __init__(self, config: GenerateConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.opened = the_cache().open(MODEL)
        self.model = Decoder(self.opened)
        self.ends = (self.opened.config["eos_token_id"], self.opened.tokenizer.token_to_id("<|endoftext|>"))
        self.tokens = read(self.model, config.prompt).ids.tolist()  # one a node of the tree; the prompt is its trunk
        if len(self.tokens) >= CONTEXT:
            raise Plain("context_full", most=CONTEXT)
        self.parents = list(range(-1, len(self.tokens) - 1))
        self.pieces = [spell(self.opened, token) for token in self.tokens]
        self.reader = Reader(self.model)
        self.surprises = [0.0, *self.reader.guess(self.tokens)]  # nothing stood before the first, to be surprised from
        self.cached_rate = self.uncached_rate = 0.0
        self.go_to(len(self.tokens) - 1)

    # -- one token -----------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """The text has ended, or the branch is full."""
        return self.tokens[self.at] in self.ends or len(self.path) >= CONTEXT

    def step(self) -> None:
        """Draw a token, write it, read it."""
        if self.done:
            return
        token = int(torch.multinomial(self.chances(), 1))
        started = time.perf_counter()
        if not self.config.cache:
            self.reader.forget()
        self.write(token)
        rate = 1 / (time.perf_counter() - started)
        if self.config.cache:
            self.cached_rate += (rate - self.cached_rate) * (0.2 if self.cached_rate else 1.0)
        else:
            self.uncached_rate += (rate - self.uncached_rate) * (0.2 if self.uncached_rate else 1.0)

    def chances(self) -> Tensor:
        """What the next token is drawn from, (V,)."""
        config, logits = self.config, self.reader.logits
        if config.greedy:
            return F.one_hot(logits.argmax(), len(logits)).float()
        return distribution(logits, config.temperature, config.top_k, config.top_p, config.min_p)

    def best(self) -> Tensor:
        """The CANDIDATES likeliest next tokens, the likeliest first."""
        return self.reader.logits.topk(CANDIDATES).indices

    def write(self, token: int) -> None:
        """Go to the branch that goes on with `token`, a new one where there is none. Raises Plain where it is full."""
        if len(self.path) >= CONTEXT:
            raise Plain("context_full", most=CONTEXT)
        there = [n for n, parent in enumerate(self.parents) if parent == self.at and self.tokens[n] == token]
        if not there:
            self.parents.append(self.at)
            self.tokens.append(token)
            self.pieces.append(spell(self.opened, token))
            self.surprises.append(surprise(self.reader.logits, token))
        self.go_to(there[0] if there else len(self.tokens) - 1)

    def go_to(self, node: int) -> None:
        """Read from the root to this node."""
        self.at, self.path = node, [node]
        while self.parents[self.path[-1]] >= 0:
            self.path.append(self.parents[self.path[-1]])
        self.path.reverse()
        self.reader.read([self.tokens[each] for each in self.path])

    # -- what there is to see ------------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The text and its tree, what may come next before and after the filters, what each layer says of it."""
        chances, before = self.chances(), self.reader.logits.softmax(0)
        best = self.best()
        names = tuple(f"“{visible(spell(self.opened, token))}”" for token in best.tolist())
        text, worst = tuple(self.pieces[node] for node in self.path), math.log(len(before))
        surprises = np.array([self.surprises[node] for node in self.path], np.float32)
        weights = self.looks()
        views = {
            "text": Tokens(text, surprises, 0.0, worst, selectable=True, selected=(len(text) - 1,)),
            "model_next": Bars(before[best].numpy(), names, 0.0, 1.0, selectable=True),
            "drawn_from": Bars(chances[best].numpy(), names, 0.0, 1.0, selectable=True),
            "layers_say": self.through_the_layers(best[:COMPARED], names),
            # The first token takes what no head needs; the scale is that of the others.
            "looks": Tokens(text, weights.numpy(), 0.0, (weights[1:] if len(text) > 1 else weights).max().item()),
            "branches": self.tree()[0],
        }
        metrics = {
            "tokens": len(text),
            "branches": len(branches(self.parents)),
            "candidates": int((chances > 0).sum()),
            "surprise": self.surprises[self.at],
            "cached_tokens_per_second": self.cached_rate,
            "uncached_tokens_per_second": self.uncached_rate,
        }
        return Frame(metrics, views)

    def looks(self) -> Tensor:
        """Where the last token looks, (S,): the chosen layer and head, or the mean over all."""
        layer, head = self.config.layer, self.config.head
        weights = self.reader.attention[layer - 1 : layer] if layer else self.reader.attention
        return (weights[:, head - 1 : head] if head else weights).mean((0, 1))

    def through_the_layers(self, best: Tensor, names: tuple[str, ...]) -> Heatmap:
        """A layer a row, 0 the embedding: its own likeliest word, and how likely the final candidates are to it."""
        lens = self.reader.layers()
        top = lens.max(1)
        words = [visible(spell(self.opened, token)) for token in top.indices.tolist()]
        rows = tuple(f"{layer} · {word}" for layer, word in zip(lensed(self.model.layers), words, strict=True))
        columns = ("max", *(name[1:-1] for name in names[: len(best)]))
        return Heatmap(torch.cat([top.values[:, None], lens[:, best]], 1).numpy(), 0.0, 1.0, rows, columns, wide=True)

    def tree(self) -> tuple[Tokens, list[int]]:
        """Every branch on a line of its own, after the token where it leaves another; and the node of each piece."""
        shown: list[tuple[str, int, bool]] = []  # what it says, the node that it leads to, whether it is that token
        for branch in branches(self.parents):
            fork = self.parents[branch[0]]
            if fork >= 0:
                shown.append((f"…{visible(self.pieces[fork])} → ", fork, False))
            shown += [(self.pieces[node], node, True) for node in branch]
            shown.append(("\n", branch[-1], False))
        here, worst = set(self.path), math.log(len(self.reader.logits))
        values = np.array([self.surprises[node] if written else 0.0 for _, node, written in shown], np.float32)
        selected = tuple(i for i, (_, node, written) in enumerate(shown) if written and node in here)
        pieces, nodes = tuple(piece for piece, _, _ in shown), [node for _, node, _ in shown]
        return Tokens(pieces, values, 0.0, worst, selectable=True, selected=selected), nodes

    # -- what a person does --------------------------------------------------------------------------------------

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A click on a candidate writes it; on a token of the text or of the tree, goes back to it."""
        view = event.get("view")
        if event.get("kind") == "select" and view in ("model_next", "drawn_from"):
            self.write(int(self.best()[place(event, "index", CANDIDATES)]))
        elif event.get("kind") == "select" and view == "text":
            self.go_to(self.path[place(event, "index", len(self.path))])
        elif event.get("kind") == "select" and view == "branches":
            nodes = self.tree()[1]
            self.go_to(nodes[place(event, "index", len(nodes))])
        else:
            super().on_event(event)  # raises
