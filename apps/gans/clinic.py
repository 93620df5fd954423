"""Games in the plane that go wrong for a reason, and the live knobs that put each right while it runs.

Every number here was measured on seeds that the settings were not chosen by; tests/apps/test_gans_clinic.py
measures them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One patient.

    id:       in the page's text.
    knobs:    what differs from the default settings, from the start.
    ill_by:   steps after which the sign is plain.
    sign:     the metric that shows it.
    remedy:   live knobs to move on the running run.
    cured_by: steps after the remedy by which the sign is gone.
    """

    id: str
    knobs: Mapping[str, Any]
    ill_by: int
    sign: str
    remedy: Mapping[str, Any]
    cured_by: int
    also: Mapping[str, Any] = field(default_factory=dict)
