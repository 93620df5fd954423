"""Train the weights that `transformer/tiny_gpt` can start from: the very experiment of the page, larger and for longer.

Run it as `python -m assets.build.tiny_gpt [--steps N] [--checkpoint FILE]`.
"""

import argparse
import copy
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from apps.transformer.tiny_gpt import EVERY, SHIPPED, Gpt, TinyGpt, TinyGptConfig
from assets.build.card import write_card

WEIGHTS = Path(__file__).parents[1] / "weights"
RATE = 1e-3
AVERAGED = 0.995  # a moving average over about 200 steps knows more than any single step's weights


def learning_rate(step: int, steps: int) -> float:
    """RATE for the first half, then falling in a straight line to a twentieth of it."""
    return RATE * min(1.0, 0.05 + 0.95 * 2 * (1 - step / steps))


@torch.no_grad()
def held_out_loss(run: TinyGpt, model: Gpt) -> float:
    """Mean -log p of the held-out characters as `model` has it, nats."""
    learning, run.model = run.model, model
    try:
        return run.validate()
    finally:
        run.model = learning


@torch.no_grad()
def follow(average: Gpt, model: Gpt) -> None:
    """Move the averaged weights a little towards the present ones."""
    for mean, now in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(now, 1 - AVERAGED)


def train(config: TinyGptConfig, steps: int, checkpoint: Path | None) -> tuple[TinyGpt, Gpt, int, float]:
    """Run the experiment. Returns it, the best average on the held-out text, the step of that, and its loss there.

    Goes on from `checkpoint` where there is one.
    """
    run = TinyGpt(config, seed=0)
    average = copy.deepcopy(run.model)
    best, at, least = copy.deepcopy(average), 0, run.levels["uniform"]
    if checkpoint and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)  # our own, of a minute ago
        run.load_state_dict(saved["run"])
        average.load_state_dict(saved["average"])
        best.load_state_dict(saved["best"])
        at, least = saved["at"], saved["least"]
    start = time.monotonic()
    while run.step_count < steps:
        run.on_knob("learning_rate", learning_rate(run.step_count, steps))
        run.advance()
        follow(average, run.model)
        if run.step_count % (4 * EVERY) == 0:
            loss = held_out_loss(run, average)
            if loss < least:
                best, at, least = copy.deepcopy(average), run.step_count, loss
            print(
                f"step {run.step_count} {time.monotonic() - start:.0f} s loss {run.loss_train:.3f} held out {loss:.3f}"
            )
            if checkpoint:
                states = {"run": run.state_dict(), "average": average.state_dict(), "best": best.state_dict()}
                torch.save(states | {"at": at, "least": least}, checkpoint)
    return run, best, at, least


def write(run: TinyGpt, best: Gpt, at: int, least: float, steps: int) -> None:
    """The weights in half precision, and their card."""
    config, path = run.config, WEIGHTS / f"{SHIPPED}.safetensors"
    sizes = {each: str(getattr(config, each)) for each in ("layers", "heads", "width", "context")}
    save_file(
        {key: t.half().contiguous() for key, t in best.state_dict().items()}, path, sizes | {"alphabet": run.alphabet}
    )
    write_card(
        WEIGHTS / f"{SHIPPED}.card.toml", [path], title="Tiny GPT, decoder-only, of Spanish sayings",
        title_es="GPT diminuto, solo descodificador, de refranes españoles",
        licence=f"MIT, like the app; trained on data/{config.text}.txt (presumed public domain)",
        source="Trained for this app on the text that it ships in assets/data/.",
        made_by=f"python -m assets.build.tiny_gpt --steps {steps}",
        how=f"apps/transformer/tiny_gpt.py with {sizes}, batch {config.batch_size}, Adam at {RATE}, falling in the "
        f"second half, seed 0, one thread; a moving average over ~200 steps, as it was at step {at} of {steps}, where "
        f"it knew the held-out text best: {least:.3f} nats a character; counting pairs has {run.levels['bigram']:.3f}.",
        pages=["transformer"],
    )  # fmt: skip


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--checkpoint", type=Path, help="saved every 200 steps, and gone on from")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = TinyGptConfig(layers=arguments.layers, width=arguments.width, context=arguments.context)
    write(*train(config, arguments.steps, arguments.checkpoint), arguments.steps)


if __name__ == "__main__":
    main()
