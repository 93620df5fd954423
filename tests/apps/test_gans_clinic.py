"""The clinic's patients are ill, and their remedies are live knobs that cure them."""

import pytest
import torch

from apps.gans.clinic import CASES, RACE, Case
from apps.gans.points import PointsGan, PointsGanConfig
from shared.live.experiment import configure, knobs


pytestmark = pytest.mark.slow


def build(seed: int, **values: object) -> PointsGan:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return PointsGan(configure(PointsGanConfig, values), seed)


def advance(experiment: PointsGan, steps: int) -> dict[str, float]:
    for _ in range(steps):
        experiment.advance()
    return experiment.frame().metrics


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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 6, 7, 8, 9])
def test_a_strong_discriminator_leaves_no_gradient_and_another_loss_brings_it_back(seed):
    (case,) = (case for case in CASES if case.id == "vanishing")
    healthy = advance(build(seed), case.ill_by)[case.sign]
    patient = build(seed, **case.knobs)
    ill = advance(patient, case.ill_by)
    assert ill[case.sign] < 0.01 * healthy
    assert ill["modes_covered"] <= 1
    for name, value in case.remedy.items():
        patient.on_knob(name, value)
    assert advance(patient, case.cured_by)["modes_covered"] >= 7


@pytest.mark.slow
def test_the_default_covers_the_ring_within_5000_steps_for_four_of_five_seeds():
    covered = [advance(build(seed), 5000)["modes_covered"] for seed in range(5)]
    assert sum(modes == 8 for modes in covered) >= 4, covered
