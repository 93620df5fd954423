"""The clinic's patients are ill, on seeds that nobody chose them by, and live knobs cure them while they run."""

import numpy as np
import pytest

from apps.gans.clinic import CASES, RACE, Case
from apps.gans.points import PointsGan, PointsGanConfig
from shared.live.experiment import configure, knobs
from tests.apps.test_gans_points import build

UNSEEN = (21, 22, 23)  # seeds; the cases were found on others
PROMISED = 5000  # steps within which a healthy run covers the ring
SHORT = 150  # steps; a failure that is plain by then is no matter of patience


def advance(experiment: PointsGan, steps: int) -> dict[str, float]:
    for _ in range(steps):
        experiment.advance()
    return experiment.frame().metrics


def assert_ill(case: Case, seen: dict[str, float], healthy: dict[str, float]) -> None:
    """What a failure means in numbers."""
    assert seen["modes_covered"] <= 3
    if case.id == "vanishing":
        assert seen["generator_gradient_norm"] < 0.01 * healthy["generator_gradient_norm"]


def movement(experiment: PointsGan) -> np.ndarray:
    """How far the samples went in each 50 steps so far; the first entry is of step 0."""
    return experiment.quality_series.curves()["movement"][:, 1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_made_of_knobs_and_its_remedy_of_live_ones(case: Case):
    known = knobs(PointsGanConfig)
    configure(PointsGanConfig, case.knobs)
    for name, value in case.remedy.items():
        assert known[name].live
        assert known[name].check(value) != case.knobs.get(name, known[name].default)
    assert case.sign in build(0, **case.knobs).frame().metrics


def test_the_race_differs_in_one_knob():
    first, second = RACE
    assert first.keys() == second.keys()
    assert sum(first[name] != second[name] for name in first) == 1


def test_a_strong_discriminator_leaves_the_generator_no_gradient():
    (case,) = (case for case in CASES if case.id == "vanishing")
    assert_ill(case, advance(build(20, **case.knobs), SHORT), advance(build(20), SHORT))


def test_a_slow_discriminator_leaves_most_modes_empty():
    (case,) = (case for case in CASES if case.id == "collapse")
    assert_ill(case, advance(build(20, **case.knobs), SHORT), {})


@pytest.mark.parametrize("seed", UNSEEN)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_case_is_ill_and_the_remedy_cures_the_running_run(case: Case, seed: int):
    patient = build(seed, **case.knobs)
    healthy = build(seed)
    assert_ill(case, advance(patient, case.ill_by), advance(healthy, case.ill_by))
    ill = movement(patient)[2:].mean()
    for name, value in case.remedy.items():
        patient.on_knob(name, value)
    while (seen := advance(patient, 100))["modes_covered"] < 8:
        assert patient.step_count < PROMISED, seen
    advance(patient, 150)
    if case.id == "oscillation":
        assert movement(patient)[-2:].mean() < ill / 3, "it has come to rest"


@pytest.mark.slow
def test_the_default_covers_the_ring_within_5000_steps_for_four_of_five_seeds():
    covered = [advance(build(seed), 5000)["modes_covered"] for seed in range(5)]
    assert sum(modes == 8 for modes in covered) >= 4, covered
