"""Train the agents that play Atari on the page, with the very PPO of the page, for hours instead of minutes.

    python -m assets.build.atari train pong --steps 1_500_000 --folder DIR
    python -m assets.build.atari ship pong 0 200_000 600_000 1_500_000 --folder DIR

`train` may be stopped at any time and goes on from where it was; it keeps a snapshot of the weights every so often, and
the learning curve. `ship` plays 20 games with each of the four snapshots named, by the decisions they had made, and
writes weights, cards and the curve into assets/.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from apps.reinforcement.atari_agent import CHECKPOINTS, TEMPERATURE, PixelNetwork, PixelPPO, Settings, choose, patches
from apps.reinforcement.atari_games import STICKY, Games, background
from assets.build.card import write_card

DATA, WEIGHTS = (Path(__file__).parents[1] / folder for folder in ("data", "weights"))
EVALUATED, FIRST_EVALUATED = 20, 1_000_000  # games of an evaluation, and the seed of the first copy
IN_SPANISH = dict(zip(CHECKPOINTS, ("novato", "principiante", "avanzado", "experto"), strict=True))
CURVE_ROOM = 400  # rows kept of a learning curve
SAVED_EVERY = 60.0  # seconds
SNAPSHOT_EVERY = 50_000  # decisions
RECENT = 40  # episodes in the mean return


def learning_rate(full: float, decisions: int, steps: int) -> float:
    """`full` at first, falling in a straight line to a twentieth of it."""
    return full * max(0.05, 1 - decisions / steps)


class Training:
    """What is being trained, how far it has come, and the folder in which it is kept."""

    def __init__(self, game: str, folder: Path, seed: int, sticky: float, settings: Settings) -> None:
        torch.manual_seed(seed)
        np.random.seed(seed)
        self.settings = settings
        self.environments = Games(game, self.settings.copies, sticky)
        self.agent = PixelPPO(self.environments.actions, self.settings, background(game))
        self.folder, self.decisions, self.seconds = folder, 0, 0.0
        self.curve: list[list[float]] = []  # decisions, core seconds, mean return, entropy, loss of the values
        self.recent: list[float] = []
        if (folder / "state.pt").exists():
            saved = torch.load(folder / "state.pt", weights_only=True)
            self.agent.load_state_dict(saved.pop("agent"))
            vars(self).update(saved)
            seed += self.decisions  # other games than those it began with
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
        self.environments.begin(seed)

    def save(self) -> None:
        """Replace the last state at once, so that a kill leaves one or the other."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in ("decisions", "seconds", "curve", "recent")}
        torch.save(kept | {"agent": self.agent.state_dict()}, self.folder / "state.new")
        (self.folder / "state.new").replace(self.folder / "state.pt")

    def snapshot(self) -> None:
        """The weights of the moment, in half precision."""
        weights = {key: t.half().contiguous() for key, t in self.agent.network.state_dict().items()}
        named = {"decisions": str(self.decisions), "seconds": str(round(self.seconds))}
        save_file(weights, self.folder / f"{self.decisions:09d}.safetensors", named)

    def rollout(self) -> None:
        """Play until the rollout is full, learn from it, and write down how it went."""
        for _ in range(self.settings.rollout):
            played = self.environments.step(self.agent.act(self.environments.observations))
            self.agent.learn(played.rewards, played.ended, self.environments.observations)
            self.recent = [*self.recent, *self.environments.over.values()][-RECENT:]
        while self.agent.pending:
            self.agent.improve()
        self.decisions += self.settings.rollout * self.settings.copies


def train(game: str, folder: Path, steps: int, until: int, seed: int, sticky: float, settings: Settings) -> None:
    """Go on until `until` decisions have been made, over all copies, of the `steps` that the rate falls over."""
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(game, folder, seed, sticky, settings)
    if not training.decisions:
        training.snapshot()
    start, saved = time.process_time() - training.seconds, time.monotonic()
    while training.decisions < until:
        s = settings
        training.agent.tune(learning_rate(s.learning_rate, training.decisions, steps), s.clip, s.entropy_weight)
        before = training.decisions
        training.rollout()
        training.seconds = time.process_time() - start  # of one core: others may be using this machine too
        metrics = training.agent.metrics
        if training.recent:
            row = [np.mean(training.recent), metrics["entropy"], metrics["value_loss"]]
            training.curve.append([training.decisions, round(training.seconds), *(round(float(x), 4) for x in row)])
        if before // SNAPSHOT_EVERY != training.decisions // SNAPSHOT_EVERY:
            training.snapshot()
        if time.monotonic() - saved > SAVED_EVERY or training.decisions >= until:
            saved = time.monotonic()
            training.save()
            print(*training.curve[-1:], f"best of the last: {max(training.recent, default=0):.0f}", flush=True)
    training.snapshot()


@torch.no_grad()
def scores(network: PixelNetwork, game: str) -> list[float]:
    """What each of 20 copies earns in its first game, with sticky actions, playing as the page does at first."""
    torch.manual_seed(0)
    np.random.seed(0)
    games = Games(game, EVALUATED, STICKY)
    games.begin(FIRST_EVALUATED)
    earned: dict[int, float] = {}
    while len(earned) < EVALUATED:
        logits, _ = network(patches(games.observations))
        games.step(choose(logits.numpy(), TEMPERATURE))
        for copy, score in games.over.items():
            earned.setdefault(copy, score)
    return [earned[copy] for copy in range(EVALUATED)]


def ship(game: str, folder: Path, at: list[int], command: str, seed: int) -> None:
    """Weights and card for each snapshot of `at`, clueless first; then the learning curve up to the last."""
    state = torch.load(folder / "state.pt", weights_only=True)
    kept = {int(path.stem): path for path in folder.glob("0*.safetensors")}
    chosen = [min(kept, key=lambda there, wish=wish: abs(there - wish)) for wish in at]
    curve = [row[:3] for row in state["curve"] if row[0] <= max(chosen)]
    for checkpoint, decisions in zip(CHECKPOINTS, chosen, strict=True):
        weights, name = load_file(kept[decisions]), f"atari_{game}_{checkpoint}"
        network = PixelNetwork(len(weights["policy.bias"]))
        network.load_state_dict({key: tensor.float() for key, tensor in weights.items()})
        earned = scores(network, game)
        seconds = max((row[1] for row in curve if row[0] <= decisions), default=0.0)
        about = {"game": game, "decisions": decisions, "seconds": seconds, "temperature": f"{TEMPERATURE:g}"}
        about["score"] = f"{np.mean(earned):.2f}"
        path = WEIGHTS / f"{name}.safetensors"
        save_file(weights, path, {key: str(value) for key, value in about.items()})
        first, last = FIRST_EVALUATED, FIRST_EVALUATED + EVALUATED - 1
        write_card(
            WEIGHTS / f"{name}.card.toml", [path], title=f"PPO agent for {game}, {checkpoint}",
            title_es=f"Agente PPO de {game.capitalize()}, {IN_SPANISH[checkpoint]}",
            licence="MIT, like the app", made_by=command, pages=["reinforcement"],
            source=f"Trained for this app on {game} of the Arcade Learning Environment.",
            how=f"{decisions:,} decisions ({4 * decisions:,} frames), {seconds / 3600:.2f} hours of one core of an AMD "
            f"EPYC processor with bfloat16 instructions, one thread, seed {seed}. Score over {EVALUATED} games with "
            f"sticky actions ({STICKY}), drawn from the policy at temperature {TEMPERATURE:g}, console seeds {first} "
            f"to {last}: {np.mean(earned):.2f} on average, from {min(earned):.0f} to {max(earned):.0f}. Kept in half "
            "precision.",
        )  # fmt: skip
        print(name, decisions, f"{np.mean(earned):.2f}", sorted(earned), flush=True)
    write_curve(game, curve, command)


def write_curve(game: str, curve: list[list[float]], command: str) -> None:
    """The learning curve as a table, thinned, and its card."""
    path = DATA / f"atari_{game}_curve.csv"
    rows = [",".join(map(str, row)) for row in curve[:: -(-len(curve) // CURVE_ROOM)]]
    path.write_text("\n".join(["decisions,core_seconds,mean_return", *rows, ""]), encoding="utf-8")
    write_card(
        DATA / f"atari_{game}_curve.card.toml", [path], title=f"How the agent for {game} learned",
        licence="MIT, like the app", source=f"Noted while the agent for {game} was trained.", made_by=command,
        how=f"After each rollout: decisions, seconds of one core, mean return of the last {RECENT} games.",
    )  # fmt: skip


def main() -> None:
    """Train, or ship."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=("train", "ship"))
    parser.add_argument("game")
    parser.add_argument("at", nargs="*", type=int, help="ship: the snapshots, by decisions")
    parser.add_argument("--steps", type=int, default=2_000_000)
    parser.add_argument("--until", type=int, help="stop there, to go on later with other settings; steps by default")
    parser.add_argument("--sticky", type=float, default=STICKY, help="chance that the console repeats the last press")
    parser.add_argument("--entropy", type=float, default=Settings.entropy_weight, help="weight of the policy's entropy")
    parser.add_argument("--copies", type=int, default=Settings.copies, help="of the game, played side by side")
    parser.add_argument("--minibatch", type=int, default=Settings.minibatch, help="decisions of one step of Adam")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--command", default="", help="ship: the commands that trained it, for the cards")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.task == "train":
        until = arguments.until or arguments.steps
        a = arguments
        settings = Settings(copies=a.copies, minibatch=a.minibatch, entropy_weight=a.entropy)
        train(a.game, a.folder, a.steps, until, a.seed, a.sticky, settings)
    else:
        command = (
            arguments.command
            or f"python -m assets.build.atari train {arguments.game} --steps {arguments.steps} --folder DIR"
        )
        ship(arguments.game, arguments.folder, arguments.at, command, arguments.seed)


if __name__ == "__main__":
    main()
