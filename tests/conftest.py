"""Before any test's first import: the tests' own experiments, and one torch thread, as in the workers."""

import os

os.environ["VIVARIUM_EXPERIMENTS"] = "tests.shared.experiments"

import torch

torch.set_num_threads(1)
