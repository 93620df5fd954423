"""A tiny GPT learns to write, character by character, from a text that it has never been told a rule about.

Read it from the top: attention, a block, the network, what it has to beat, then TinyGpt, whose phases are one update.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.data.texts import TEXTS, lines, split
from shared.live.experiment import Bars, Curves, Experiment, Frame, Heatmap, Images, Plain, Series, Tokens, knob
from shared.models.shipped import shipped_weights

BETAS = (0.9, 0.99)  # Adam's; the second below its usual 0.999, since a small model meets few characters a step
SHIPPED = "tiny_gpt_sayings_es"  # weights trained on the Spanish sayings, to go on from with any text
LEAST = 500  # characters of a text of one's own: fewer leave nothing to hold out
VALIDATED, EVERY = 8192, 50  # so many held-out characters are predicted every so many steps: about 5 % of the time
REMEMBERED = 400  # characters that it wrote, on the screen
CANDIDATES = 12  # bars


@dataclass(frozen=True)
class TinyGptConfig:
    """The settings; with the default ones a step costs about 25 ms on one core."""

    text: str = knob("sayings_es", choices=TEXTS)
    own_text: str = knob("", length=20_000)  # where there is one, it is learned instead
    start: str = knob("scratch", choices=("scratch", "shipped"))  # shipped weights bring their own sizes
    layers: int = knob(2, low=1, high=6)
    heads: int = knob(4, choices=(1, 2, 4, 8))
    width: int = knob(64, choices=(32, 64, 128, 256))
    context: int = knob(64, low=8, high=256, scale="log")  # characters that it can look back at
    positions: bool = knob(True)  # whether it is told where each character stands
    batch_size: int = knob(32, low=4, high=128, scale="log")
    learning_rate: float = knob(2e-3, low=1e-5, high=1e-1, scale="log", live=True)
    temperature: float = knob(0.8, low=0.1, high=2.0, live=True)  # of what it writes; learning does not use it


class Attention(nn.Module):
    """Causal multi-head self-attention. Vaswani et al. 2017, eq. 1 and section 3.2.2."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.register_buffer("future", torch.ones(context, context, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, width) → the same shape, and the weights (N, heads, T, T): row t says where t looks."""
        n, t, width = x.shape
        size = width // self.heads
        q, k, v = self.queries_keys_values(x).view(n, t, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) / math.sqrt(size)  # (N, heads, T, T)
        weights = scores.masked_fill(self.future[:t, :t], -math.inf).softmax(3)  # nobody looks ahead
        mixed = (weights @ v).transpose(1, 2).reshape(n, t, width)  # the heads side by side
        return self.output(mixed), weights


class Block(nn.Module):
    """Look around, then think: each adds to what goes straight on. Normalised before, as in Radford et al. 2019."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.norm_attention, self.norm_thought = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, context)
        self.thought = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        attended, weights = self.attention(self.norm_attention(x))
        x = x + attended
        return x + self.thought(self.norm_thought(x)), weights


class Gpt(nn.Module):
    """A decoder-only Transformer. Radford et al. 2018, 2019: the matrix that reads characters also scores them."""

    def __init__(self, config: TinyGptConfig, alphabet: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(alphabet, config.width)
        self.places = nn.Embedding(config.context, config.width) if config.positions else None
        self.blocks = nn.ModuleList(Block(config.width, config.heads, config.context) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:  # Radford et al. 2019, section 2.3: what adds to the stream starts smaller
                adds = name.endswith(("output.weight", "thought.2.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * config.layers) if adds else 0.02)

    def forward(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Characters (N, T ≤ context) → scores of the next one (N, T, alphabet), and each block's weights."""
        x = self.characters(tokens)  # (N, T, width)
        if self.places is not None:
            x = x + self.places.weight[: tokens.shape[1]]
        looks = []
        for block in self.blocks:
            x, weights = block(x)
            looks.append(weights)
        return self.norm(x) @ self.characters.weight.T, looks


# -- what it has to beat -----------------------------------------------------------------------------------


def baselines(train: Tensor, inputs: Tensor, targets: Tensor, alphabet: int) -> dict[str, float]:
    """Mean -log p of `targets` (M,), each after its `inputs` (M,), in nats, for three ways to guess.

    uniform: every character alike; unigram: as often as in `train`; bigram: as often as after the one before it.
    Each count begins at 1, so that nothing is impossible: Laplace 1814; Jurafsky & Martin, Speech and Language
    Processing, section 3.6.
    """
    singles = torch.bincount(train, minlength=alphabet).double() + 1
    pairs = torch.bincount(train[:-1] * alphabet + train[1:], minlength=alphabet**2).double().view(alphabet, -1) + 1
    unigram, bigram = singles / singles.sum(), pairs / pairs.sum(1, keepdim=True)
    return {
        "uniform": math.log(alphabet),
        "unigram": -unigram[targets].log().mean().item(),
        "bigram": -bigram[inputs, targets].log().mean().item(),
    }


class TinyGpt(Experiment[TinyGptConfig]):
    """A character-level GPT, trained to predict the next character. Radford et al. 2018, eq. 1.

    Differences from the papers: characters where GPT has byte pairs; thousands of weights, not millions; no
    dropout, warm-up or weight decay; Adam with one learning rate that a person moves.

    Metrics, in nats a character: `loss_train` (of this step's batch), `loss_validation` (of held-out text, every
    EVERY steps), `bigram_loss` (of the same held-out text); `tokens_per_second` (characters learned from).
    """

    id = "transformer/tiny_gpt"
    phases = ("sample", "predict", "differentiate", "update")

    def __init__(self, config: TinyGptConfig, seed: int) -> None:
        super().__init__(config, seed)
        train, held_out = texts(config)
        self.build(set(train + held_out))
        self.train, self.held_out = encode(train, self.alphabet), encode(held_out, self.alphabet)
        self.optimizer = torch.optim.Adam(self.model.parameters(), config.learning_rate, BETAS, fused=True)
        self.losses = Series("loss_train", "loss_validation")
        self.written, self.surprises = [max(0, self.alphabet.find("\n"))], [0.0]
        self.shown = 0  # the head that is shown large: layer × heads + head
        self.passages, self.following = windows(self.held_out, self.size.context)
        seen, to_guess = torch.tensor(self.passages).flatten(), torch.tensor(self.following).flatten()
        self.levels = baselines(torch.tensor(self.train), seen, to_guess, len(self.alphabet))
        self.loss_train = self.loss_validation = self.validate()
        self.tokens_per_second = 0.0
        self.losses.record(0, loss_train=self.loss_train, loss_validation=self.loss_validation)

    def build(self, characters: set[str]) -> None:
        """The network, new or as shipped: a shipped file says in its metadata what it reads and how large it is.

        Characters of the text that it has never met are added to its alphabet, with random vectors.
        """
        self.size, known = self.config, ""
        tensors: dict[str, Tensor] = {}
        if self.config.start == "shipped":
            try:
                tensors, about = shipped_weights(SHIPPED)
            except FileNotFoundError:
                raise Plain("weights_missing", name=SHIPPED) from None
            known = about["alphabet"]
            layers, heads, width, context = (int(about[name]) for name in ("layers", "heads", "width", "context"))
            self.size = replace(self.config, layers=layers, heads=heads, width=width, context=context)
            self.size = replace(self.size, positions="places.weight" in tensors)
        self.alphabet = known + "".join(sorted(characters - set(known)))
        self.model = Gpt(self.size, len(self.alphabet))
        with torch.no_grad():
            for name, tensor in tensors.items():
                self.model.get_parameter(name)[: len(tensor)] = tensor

    # -- one update, in four phases -----------------------------------------------------------------------

    def sample(self) -> None:
        """Pieces of the text, from anywhere; the target of each character is the one after it."""
        self.started = time.perf_counter()
        size = min(self.size.context, len(self.train) - 1)
        starts = torch.randint(len(self.train) - size, (self.config.batch_size,))
        pieces = torch.from_numpy(self.train[(starts[:, None] + torch.arange(size + 1)).numpy()])
        self.inputs, self.targets = pieces[:, :-1], pieces[:, 1:]  # (N, T) each

    def predict(self) -> None:
        """The loss: -log p of each true next character, on average over the batch."""
        scores, _ = self.model(self.inputs)
        self.loss = F.cross_entropy(scores.flatten(0, 1), self.targets.flatten())

    def differentiate(self) -> None:
        """∂L/∂θ."""
        self.gradients = torch.autograd.grad(self.loss, list(self.model.parameters()))

    def update(self) -> None:
        """θ moves, one character is written, and now and then the held-out text is predicted."""
        (group,) = self.optimizer.param_groups
        group["lr"] = self.config.learning_rate
        for parameter, gradient in zip(group["params"], self.gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.loss_train, self.loss, self.gradients = self.loss.item(), None, ()
        step = self.step_count + 1
        rate = self.inputs.numel() / (time.perf_counter() - self.started)
        self.tokens_per_second += (rate - self.tokens_per_second) * (0.05 if self.tokens_per_second else 1.0)
        if step % EVERY == 0:
            self.loss_validation = self.validate()
        self.losses.record(step, loss_train=self.loss_train, loss_validation=self.loss_validation)
        self.write()

    # -- what it can do by now ------------------------------------------------------------------------------

    @torch.no_grad()
    def validate(self) -> float:
        """Mean -log p of the held-out characters, nats."""
        inputs, targets = torch.tensor(self.passages), torch.tensor(self.following)
        total = 0.0
        for piece, following in zip(inputs.split(32), targets.split(32), strict=True):
            scores, _ = self.model(piece)
            total += F.cross_entropy(scores.flatten(0, 1), following.flatten(), reduction="sum").item()
        return total / targets.numel()

    @torch.no_grad()
    def write(self) -> None:
        """Draw one more character from softmax(scores / temperature), and remember how surprised the model was."""
        scores, _ = self.model(torch.tensor(self.written[-self.size.context :])[None])
        chances = (scores[0, -1] / self.config.temperature).softmax(0).cumsum(0)
        # One random number a character, whatever the temperature: what is learned does not depend on what is written.
        chosen = min(int(torch.searchsorted(chances, torch.rand(1))), len(self.alphabet) - 1)
        self.written = [*self.written, chosen][-REMEMBERED:]
        self.surprises = [*self.surprises, -scores[0, -1].log_softmax(0)[chosen].item()][-REMEMBERED:]

    @torch.no_grad()
    def frame(self) -> Frame:
        """A held-out passage, read: how surprising each character was, where each head looked, what comes next."""
        inputs, targets = torch.tensor(self.passages[:1]), torch.tensor(self.following[:1])
        scores, looks = self.model(inputs)
        surprise = -scores.log_softmax(2).gather(2, targets[..., None])[0, :, 0]
        maps = torch.cat([weights[0] for weights in looks])  # (layers × heads, T, T)
        likely = scores[0, -1].softmax(0).topk(min(CANDIDATES, len(self.alphabet)))
        read, worst = self.names(inputs[0].tolist()), self.levels["uniform"]
        labels = tuple(f"{i // self.size.heads + 1}.{i % self.size.heads + 1}" for i in range(len(maps)))
        views = {
            "losses": Curves(self.losses.curves(), self.levels),
            "written": Tokens(self.spell(self.written), np.array(self.surprises, np.float32), 0.0, worst),
            "passage": Tokens(self.spell(targets[0].tolist()), surprise.numpy(), 0.0, worst),
            "heads": Images(thumbnails(maps), self.size.heads, labels, selectable=True, selected=(self.shown,)),
            "attention": Heatmap(maps[self.shown].numpy().copy(), 0.0, 1.0, read, read),
            "next": Bars(likely.values.numpy(), self.names(likely.indices.tolist()), 0.0, 1.0),
        }
        metrics = {
            "loss_train": self.loss_train,
            "loss_validation": self.loss_validation,
            "bigram_loss": self.levels["bigram"],
            "tokens_per_second": self.tokens_per_second,
        }
        return Frame(metrics, views)

    def spell(self, tokens: list[int]) -> tuple[str, ...]:
        """The characters themselves."""
        return tuple(self.alphabet[token] for token in tokens)

    def names(self, tokens: list[int]) -> tuple[str, ...]:
        """The same, with a sign for a space and for the end of a line."""
        return tuple({" ": "␣", "\n": "↵"}.get(character, character) for character in self.spell(tokens))

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A click on a small map shows it large."""
        index = event.get("index")
        if event.get("kind") != "select" or event.get("view") != "heads":
            super().on_event(event)  # raises
        if type(index) is not int or not 0 <= index < self.size.layers * self.size.heads:
            raise Plain("event_unknown", kind=f"select {str(index)[:40]}")
        self.shown = index


def texts(config: TinyGptConfig) -> tuple[str, str]:
    """(training text, held-out text): every tenth line of a shipped one, the last tenth of one's own."""
    if not config.own_text:
        return split(lines(config.text))
    if len(config.own_text) < LEAST:
        raise Plain("text_short", count=len(config.own_text), least=LEAST)
    cut = len(config.own_text) * 9 // 10
    return config.own_text[:cut], config.own_text[cut:]


def encode(text: str, alphabet: str) -> np.ndarray:
    """Each character's place in the alphabet, int64 (len(text),); read-only, so that a checkpoint leaves it out."""
    places = {character: i for i, character in enumerate(alphabet)}
    codes = np.array([places[character] for character in text], dtype=np.int64)
    codes.flags.writeable = False
    return codes


def windows(held_out: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
    """The first VALIDATED held-out characters as pieces (M, T ≤ context), and what comes next in each place."""
    size = min(context, len(held_out) - 1)
    count = max(1, min(VALIDATED, len(held_out) - 1) // size)
    return held_out[: count * size].reshape(count, size), held_out[1 : count * size + 1].reshape(count, size)


def thumbnails(maps: Tensor) -> np.ndarray:
    """Attention weights (M, T, T) as grey pictures, uint8, each row as bright as its largest weight allows."""
    return (255 * maps / maps.amax(2, keepdim=True)).round().to(torch.uint8).numpy()
