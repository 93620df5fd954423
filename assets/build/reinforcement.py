"""Train the agents that the scene "From clueless to expert" begins with: the very experiment of the page, judged often.

Run it as `python -m assets.build.reinforcement [--env CartPole …]`.
"""

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from apps.reinforcement.control import Control
from apps.reinforcement.players import PAGES
from apps.reinforcement.shipped import ALGORITHM, file_name, networks
from assets.build.card import write_card
from shared.live.run import Run

WEIGHTS = Path(__file__).parents[1] / "weights"
# Steps of the environment, and what a very good evaluation earns: the run is over with either.
BUDGETS = {
    "CartPole": (100_000, 500.0),
    "Acrobot": (200_000, -85.0),
    "Pendulum": (100_000, -150.0),
    "LunarLander": (1_500_000, 250.0),
}
JUDGED = 100  # evaluations within a budget


@dataclass
class Diary:
    """What a run was, again and again: steps, the return of an evaluation, the acting network's arrays."""

    steps: list[int] = field(default_factory=list)
    earned: list[float] = field(default_factory=list)
    pages: list[list[np.ndarray]] = field(default_factory=list)

    def write(self, control: Control) -> None:
        """The evaluation is that of the weights as they are shipped, in half precision."""
        arrays = [array.astype(np.float16) for array in control.agent.acting.weights()]
        exact, rounded = control.agent.acting, [array.astype(np.float32) for array in arrays]
        control.agent.acting = exact.with_weights(rounded)
        self.steps.append(control.env_steps)
        self.earned.append(control.evaluate())
        self.pages.append(arrays)
        control.agent.acting = exact

    def chosen(self) -> list[int]:
        """PAGES places: the first, the best, and others in between as evenly as may be by how well they did.

        A learning curve rises in a few leaps; pages evenly spread over time would show clueless and expert alone.
        """
        best = int(np.argmax(self.earned))
        levels = np.linspace(self.earned[0], self.earned[best], PAGES)[1:-1]
        between: list[int] = []
        for level in levels:
            free = [place for place in range(1, best) if place not in between]
            if free:
                between.append(min(free, key=lambda place: abs(self.earned[place] - level)))
        return sorted({0, best, *between})


def train(env: str) -> tuple[Run, Diary, dict[str, torch.Tensor]]:
    """Until the budget is spent or the bar reached. Returns the run, its diary, and the best one's whole networks."""
    budget, bar = BUDGETS[env]
    run, diary = Run(Control, {"env": env, "algorithm": ALGORITHM, "evaluate_every": 1_000_000}, 0), Diary()
    control, start, best = run.experiment, time.monotonic(), dict[str, torch.Tensor]()
    while control.env_steps < budget and (not diary.earned or max(diary.earned) < bar):
        if control.env_steps >= len(diary.steps) * budget // JUDGED and not control.agent.pending:
            diary.write(control)
            print(env, diary.steps[-1], f"{diary.earned[-1]:.1f}", f"{time.monotonic() - start:.0f} s", flush=True)
            if diary.earned[-1] == max(diary.earned):
                best = {
                    f"agent.{name}.{key}": value.half()
                    for name in networks(control.agent)
                    for key, value in getattr(control.agent, name).state_dict().items()
                }
        run.advance()
    return run, diary, best


def write(env: str, diary: Diary, best: dict[str, torch.Tensor]) -> None:
    """The chosen pages as safetensors, and the card."""
    places = diary.chosen()
    tensors = {
        f"page.{i}.{j}": torch.from_numpy(a.copy()) for i, p in enumerate(places) for j, a in enumerate(diary.pages[p])
    }
    steps, earned = [diary.steps[place] for place in places], [round(diary.earned[place], 2) for place in places]
    path = WEIGHTS / f"{file_name(env)}.safetensors"
    about = {"env": env, "algorithm": ALGORITHM, "steps": json.dumps(steps), "evaluations": json.dumps(earned)}
    save_file(tensors | best, path, about)
    budget, bar = BUDGETS[env]
    how = f"apps/reinforcement/control.py, {ALGORITHM} with the settings of the page, seed 0, one thread, judged every "
    how += f"{budget // JUDGED:,} steps until an evaluation (20 episodes without chance) earned {bar:g}, or for "
    how += f"{budget:,} steps. The best earned {earned[-1]:g}, after {steps[-1]:,} steps; the clueless one "
    how += f"{earned[0]:g}. Half precision; the evaluations are of the rounded weights."
    write_card(
        WEIGHTS / f"{file_name(env)}.card.toml", [path], title=f"An agent of {env}, from clueless to expert",
        title_es=f"Un agente de {env}, de novato a experto",
        licence="MIT, like the app", source=f"Trained for this app on Gymnasium's {env} (MIT).",
        made_by=f"python -m assets.build.reinforcement --env {env}", how=how, pages=["reinforcement"],
    )  # fmt: skip


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", nargs="*", default=list(BUDGETS), choices=tuple(BUDGETS))
    torch.set_num_threads(1)
    for env in parser.parse_args().env:
        _, diary, best = train(env)
        write(env, diary, best)


if __name__ == "__main__":
    main()
