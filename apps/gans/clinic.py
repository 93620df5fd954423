"""Games in the plane that go wrong for a reason, and the live knobs that put them right while they run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One patient.

    id:       in the page's text.
    knobs:    what differs from the default settings, from the start.
    ill_by:   steps after which the failure is plain.
    sign:     the metric that shows it.
    remedy:   live knobs to move on the running run.
    cured_by: steps after the remedy by which the samples cover the modes.
    """

    id: str
    knobs: Mapping[str, Any]
    ill_by: int
    sign: str
    remedy: Mapping[str, Any]
    cured_by: int


CASES = (
    # D learns so fast that log(1 - D(G(z))) is flat wherever G has points; Goodfellow 2014, section 3, has the cure.
    Case(
        id="vanishing",
        knobs={
            "loss": "minimax",
            "discriminator_updates": 5,
            "lr_discriminator": 5e-3,
            "lr_generator": 1e-4,
        },
        ill_by=500,
        sign="generator_gradient_norm",
        remedy={
            "loss": "non_saturating",
            "discriminator_updates": 1,
            "lr_discriminator": 1e-3,
            "lr_generator": 1e-3,
        },
        cured_by=1500,
    ),
)

RACE = ({"loss": "hinge"}, {"loss": "minimax"})
"""Two runs from one seed that differ in one knob."""
