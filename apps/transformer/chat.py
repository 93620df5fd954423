"""A model that goes on with a text becomes one that answers: its text is a conversation, with marks around each turn.

Read it from the top: how a turn becomes tokens, then Chat, whose step is one token of the answer, and one of what the
same model writes after the bare question. Tokens are read and drawn as in generate.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from apps.transformer.generate import CANDIDATES, CONTEXT, MODEL, Reader, distribution, spell
from apps.transformer.reading import read, visible
from shared.live.experiment import Bars, Experiment, Frame, Plain, Tokens, Value, knob
from shared.models.cache import OpenModel, the_cache
from shared.models.decoder import Decoder

ROLES = ("marks", "system", "user", "assistant")  # what a token of a conversation belongs to
PARTS = ("marks", "system", "question", "continuation")  # and one of the bare text, in the colours of the same places
TOP_K, TOP_P = 50, 0.9  # of each draw; the model's makers advise top-p 0.9 with temperature 0.2
ANSWER = 256  # tokens of an answer at most

Tagged = tuple[int, str]  # a token, and the one of ROLES or PARTS that it belongs to


@dataclass(frozen=True)
class ChatConfig:
    """The settings; a step costs about 160 ms on one core. The first system message is the template's own."""

    system: str = knob("You are a helpful AI assistant named SmolLM, trained by Hugging Face", length=1_000)
    message: str = knob("Give me three tips to sleep better.", length=1_000, live=True)  # another one is the next turn
    temperature: float = knob(0.2, low=0.1, high=2.0, live=True)


def turn(opened: OpenModel, role: str, content: str) -> list[Tagged]:
    """`<|im_start|>role⏎content<|im_end|>⏎` in tokens: ChatML, as SmolLM2's own template writes it (OpenAI 2023).

    The marks are tokens that no text contains: typed in `content`, they are cut into the pieces of any other text.
    """
    content = content.encode("utf-8", "replace").decode()  # half a character is a question mark
    words = opened.text_tokenizer.encode(f"{role}\n{content}").ids
    return [(opened.config["bos_token_id"], "marks"), *((token, role) for token in words), *ending(opened)]


def ending(opened: OpenModel) -> list[Tagged]:
    """How a turn ends: `<|im_end|>⏎`."""
    (line_break,) = opened.text_tokenizer.encode("\n").ids
    return [(opened.config["eos_token_id"], "marks"), (line_break, "marks")]


def opening(opened: OpenModel) -> list[Tagged]:
    """How the model is asked to answer: `<|im_start|>assistant⏎`, and no more. What comes next is what it writes."""
    words = opened.text_tokenizer.encode("assistant\n").ids
    return [(opened.config["bos_token_id"], "marks"), *((token, "assistant") for token in words)]


class Chat(Experiment[ChatConfig]):
    """SmolLM2-Instruct answers a conversation, and goes on with the same question bare. Ouyang et al. 2022.

    Whoever types another message takes the next turn: all turns before it are read again with it. Difference from a
    product: nothing is hidden. Every token that the model reads is shown, and what it writes is not filtered.

    Metrics: `tokens` of the conversation; `turns` of the person; `answer_tokens` of the answer so far.
    """

    id = "transformer/chat"
    step_seconds = 120.0

    def __init__(self, config: ChatConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.opened = the_cache().open(MODEL)
        self.model = Decoder(self.opened)
        self.end = self.opened.config["eos_token_id"]
        self.chat_reader, self.bare_reader = Reader(self.model), Reader(self.model)
        self.conversation = turn(self.opened, "system", config.system)
        self.turns = 0
        self.ask(config.message)

    def ask(self, message: str) -> None:
        """The person's turn. Raises Plain where there is nothing to read, or no room; nothing is lost then."""
        bare = read(self.model, message).ids.tolist()
        ends = ending(self.opened) if self.turns else []
        if self.turns and self.conversation[-1][0] == self.end:  # the answer ended by itself
            ends = ends[1:]
        added = [*ends, *turn(self.opened, "user", message), *opening(self.opened)]
        if len(self.conversation) + len(added) >= CONTEXT:
            raise Plain("context_full", most=CONTEXT)
        self.conversation = [*self.conversation, *added]
        self.asked, self.turns = len(self.conversation), self.turns + 1
        self.bare, self.bare_asked = [(token, "question") for token in bare], len(bare)
        self.chat_reader.read([token for token, _ in self.conversation])
        self.bare_reader.read([token for token, _ in self.bare])

    # -- one token -----------------------------------------------------------------------------------------------

    @property
    def answered(self) -> bool:
        """The model has ended its turn, or may write no more."""
        return over(self.conversation, len(self.conversation) - self.asked, self.end)

    @property
    def done(self) -> bool:
        """The answer and the continuation have both ended."""
        return self.answered and over(self.bare, len(self.bare) - self.bare_asked, self.end)

    def step(self) -> None:
        """One token of the answer, one of the continuation; what has ended stays."""
        if not self.answered:
            token = self.draw(self.chat_reader)
            self.conversation = [*self.conversation, (token, "marks" if token == self.end else "assistant")]
            self.chat_reader.read([each for each, _ in self.conversation])
        if not over(self.bare, len(self.bare) - self.bare_asked, self.end):
            token = self.draw(self.bare_reader)
            self.bare = [*self.bare, (token, "marks" if token == self.end else "continuation")]
            self.bare_reader.read([each for each, _ in self.bare])

    def draw(self, reader: Reader) -> int:
        """The next token after what `reader` has read."""
        return int(torch.multinomial(distribution(reader.logits, self.config.temperature, TOP_K, TOP_P, 0.0), 1))

    # -- what there is to see ------------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """All that the model reads, mark by mark, beside the bare text; and what each may go on with."""
        views = {
            "conversation": self.tokens(self.conversation, ROLES),
            "bare": self.tokens(self.bare, PARTS),
            "chat_next": self.candidates(self.chat_reader),
            "bare_next": self.candidates(self.bare_reader),
        }
        metrics: dict[str, float] = {
            "tokens": len(self.conversation),
            "turns": self.turns,
            "answer_tokens": len(self.conversation) - self.asked,
        }
        return Frame(metrics, views)

    def tokens(self, tagged: Sequence[Tagged], kinds: tuple[str, ...]) -> Tokens:
        """Each token as it is, in the colour of what it belongs to."""
        places = np.array([kinds.index(kind) for _, kind in tagged], np.float32)
        pieces = tuple(spell(self.opened, token) for token, _ in tagged)
        return Tokens(pieces, places, 0.0, len(kinds) - 1.0, kinds)

    def candidates(self, reader: Reader) -> Bars:
        """The likeliest next tokens, before temperature and filters."""
        likely = reader.logits.softmax(0).topk(CANDIDATES)
        names = tuple(f"“{visible(spell(self.opened, token))}”" for token in likely.indices.tolist())
        return Bars(likely.values.numpy(), names, 0.0, 1.0)

    # -- what a person does --------------------------------------------------------------------------------------

    def on_knob(self, name: str, value: Value) -> None:
        """Another message is sent; one that cannot be sent changes nothing."""
        if name == "message":
            self.ask(str(value))
        super().on_knob(name, value)


def over(tagged: Sequence[Tagged], written: int, end: int) -> bool:
    """Whether a text has ended: its last written token says so, or it may be no longer."""
    return (written > 0 and tagged[-1][0] == end) or written >= ANSWER or len(tagged) >= CONTEXT
