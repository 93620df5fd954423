"""Games in the plane that go wrong for a reason, and the live knobs that put them right while they run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One patient: what differs from the default settings, and the live knobs to move on the running run.

    sign:   the metric that shows the failure once it is plain, `ill_by` steps after the start.
    remedy: from then on the run goes the way of a healthy one, which covers every mode within 5,000 steps.
    """

    id: str
    knobs: Mapping[str, Any]
    sign: str
    ill_by: int
    remedy: Mapping[str, Any]


CASES = (
    # D learns ten times more slowly than G: it rejects the crowd only when the crowd has gone to the next place.
    Case(
        id="collapse",
        knobs={"loss": "non_saturating", "lr_discriminator": 1e-4},
        sign="modes_covered",
        ill_by=250,
        remedy={"lr_discriminator": 3e-3},
    ),
    # D learns so fast that log(1 - D(G(z))) is flat wherever G has points. Goodfellow 2014, section 3, has the other
    # loss; with D's head start alone, G would chase it round the ring, so both go back to a pace that suits them.
    Case(
        id="vanishing",
        knobs={"loss": "minimax", "discriminator_updates": 5, "lr_discriminator": 5e-3, "lr_generator": 1e-4},
        sign="generator_gradient_norm",
        ill_by=200,
        remedy={"loss": "non_saturating", "discriminator_updates": 1, "lr_discriminator": 3e-3, "lr_generator": 1e-3},
    ),
    # G's steps are so long that it flies past every place where D would believe it.
    Case(
        id="oscillation",
        knobs={"lr_generator": 1e-2},
        sign="movement",
        ill_by=300,
        remedy={"lr_generator": 3e-4},
    ),
)

RACE = ({"loss": "hinge"}, {"loss": "minimax"})
"""Two runs from one seed that differ in one knob."""
