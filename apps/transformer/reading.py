"""A text as a language model reads it: cut into tokens, and each of them written so that it can be seen."""

import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from shared.live.experiment import Plain
from shared.models.decoder import Decoder
from shared.models.encoder import Encoder


class Read(NamedTuple):
    """A text as a model reads it: numbers (T,), pieces to show, and how many more did not fit its context."""

    ids: Tensor
    pieces: tuple[str, ...]
    left_out: int


def read(model: Decoder | Encoder, text: str) -> Read:
    """Cut a text into the model's tokens; special tokens in it are text. Raises Plain where it is empty."""
    text = text.encode("utf-8", "replace").decode()  # half a character, as a browser may send, is a question mark
    if not text.strip():
        raise Plain("text_empty")
    cut = model.opened.text_tokenizer.encode(text)
    ids, pieces = cut.ids, cut.tokens
    if isinstance(model, Decoder):
        pieces = [model.opened.text_tokenizer.decode([i], skip_special_tokens=False) for i in ids]
        # A token may be a part of a character's bytes: it is shown as that character, in brackets.
        whole = [f"‹{text[start:end]}›" for start, end in cut.offsets]
        pieces = [each if "\ufffd" in piece else piece for piece, each in zip(pieces, whole, strict=True)]
    end = [-1] if isinstance(model, Encoder) else []  # [SEP] stays the last
    kept = [*range(len(ids))[: model.context - len(end)], *end] if len(ids) > model.context else range(len(ids))
    return Read(torch.tensor([ids[i] for i in kept]), tuple(visible(pieces[i]) for i in kept), len(ids) - len(kept))


def visible(piece: str) -> str:
    """A piece of text with a sign for each space and line break, and a code for what has no shape."""
    signs = {" ": "␣", "\n": "↵"}
    return "".join(signs.get(c) or (c if c.isprintable() else repr(c)[1:-1]) for c in piece)


def is_punctuation(piece: str) -> bool:
    """Whether a piece is marks alone; [CLS] and [SEP] are the model's, not the text's."""
    return all(unicodedata.category(character)[0] == "P" for character in piece.strip("␣")) and piece.strip("␣") != ""


def place(event: Mapping[str, Any], name: str, end: int) -> int:
    """The whole number from 0 to `end` - 1 that an event says. Raises Plain for anything else."""
    value = event.get(name)
    if type(value) is not int or not 0 <= value < end:
        raise Plain("event_unknown", kind=f"select {str(value)[:40]}")
    return value
