"""What every test needs before its first import: the tests' own experiments, and one torch thread, as in the workers."""

import os

os.environ["VIVARIUM_EXPERIMENTS"] = "tests.shared.experiments"

import torch  # noqa: E402

torch.set_num_threads(1)
