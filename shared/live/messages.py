"""Every sentence the engine says to a person, in every language, looked up by a code."""

import tomllib
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "es")


class Plain(Exception):
    """Something a person should read: a `code` of the text files and the `details` its sentence names.

    Raise it wherever a person's input or a run's fate needs words: `Plain("knob_choice", name="loss", ...)`.
    It travels as a code, so that each reader gets it in their own language.
    """

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details

    def __str__(self) -> str:
        return sentence(self.code, self.details, "en")

    def __reduce__(self):
        return _rebuild, (self.code, self.details)

    def as_json(self) -> dict[str, object]:
        """The code and its details as strings and numbers, to be put into words where it is read."""
        kept = {k: v if isinstance(v, int | float) else str(v) for k, v in self.details.items()}
        return {"code": self.code, "details": kept}


def _rebuild(code: str, details: dict[str, object]) -> Plain:
    return Plain(code, **details)


@cache
def words(language: str) -> dict[str, dict[str, str]]:
    """The engine's and the stage's own words in `language` ("en" or "es"), by section and key."""
    path = Path(__file__).with_name(f"text.{language}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def sentence(code: str, details: dict[str, object], language: str) -> str:
    """The sentence for `code` with its `{names}` filled in; the bare code where no sentence is written."""
    template = words(language)["messages"].get(code)
    if template is None:
        return f"{code}: {', '.join(f'{k}={v}' for k, v in details.items())}" if details else code
    for name, value in details.items():
        template = template.replace("{" + name + "}", _written(value, language))
    return template


def _written(value: object, language: str) -> str:
    """A number as it is written in the language, 0.5 or 0,5, and 3 for 3.0; anything else as it is."""
    if not isinstance(value, float):
        return str(value)
    short = str(value).removesuffix(".0")
    return short.replace(".", ",") if language == "es" else short
