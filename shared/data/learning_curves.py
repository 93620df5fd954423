"""How the shipped agents learned: what each earned, by how many decisions it had made.

Made by `python -m assets.build.atari ship …`, which writes down what the training noted.
"""

from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[2] / "assets" / "data"


@cache
def learning_curve(name: str) -> np.ndarray:
    """float32 (T, 3) of `<name>_curve.csv`: decisions made, seconds of one core spent, mean return of the last games.

    (0, 3) where no such agent is shipped. The array is shared and read-only.
    """
    path = FOLDER / f"{name}_curve.csv"
    table = np.zeros((0, 3), np.float32)
    if path.exists():
        table = np.loadtxt(path, np.float32, delimiter=",", skiprows=1, ndmin=2)
    table.flags.writeable = False
    return table
