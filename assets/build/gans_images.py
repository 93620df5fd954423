"""Train the weights that `gans/images` can start from: the very experiment of the page, for longer and averaged.

Run it as `python -m assets.build.gans_images [--dataset fashion_mnist] [--steps N] [--checkpoint FILE]`.
"""

import argparse
import copy
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from apps.gans.images import CLASSES, ImagesGan, ImagesGanConfig, weights_name
from assets.build.card import write_card
from shared.models.classifier import assess, judge

WEIGHTS = Path(__file__).parents[1] / "weights"
RATES = {"lr_discriminator": 5e-4, "lr_generator": 5e-4}
AVERAGED = 0.998  # a moving average over about 500 steps draws steadier pictures than any single step's weights


def learning_rate(full: float, step: int, steps: int) -> float:
    """`full` for the first half, then falling in a straight line to a twentieth of it."""
    return full * min(1.0, 0.05 + 0.95 * 2 * (1 - step / steps))


@torch.no_grad()
def follow(average: nn.Module, generator: nn.Module) -> None:
    """Move the averaged weights and running statistics a little towards the present ones."""
    for mean, now in zip(average.state_dict().values(), generator.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - AVERAGED)


@torch.no_grad()
def quality(generator: nn.Module, latent: int, count: int = 1000) -> dict[str, float]:
    """Fréchet distance, the rarest class's share and mean confidence of `count` samples of a fixed noise."""
    noise = torch.randn(count, latent, generator=torch.Generator().manual_seed(0))
    return assess(judge(torch.cat([generator(piece) for piece in noise.split(100)])))


def train(config: ImagesGanConfig, steps: int, checkpoint: Path | None) -> tuple[ImagesGan, nn.Module]:
    """Run the experiment; returns it with the averaged generator. Goes on from `checkpoint` where there is one."""
    run = ImagesGan(config, seed=0)
    average = copy.deepcopy(run.generator).eval()
    if checkpoint and checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        run.load_state_dict(saved["run"])
        average.load_state_dict(saved["average"])
    start = time.monotonic()
    while run.step_count < steps:
        for player, full in RATES.items():
            run.on_knob(player, learning_rate(full, run.step_count, steps))
        run.advance()
        follow(average, run.generator)
        if run.step_count % 200 == 0:
            judged = quality(average, run.latent) if config.dataset == "fashion_mnist" else {}
            judged |= {"loss_discriminator": run.loss_discriminator, "loss_generator": run.loss_generator}
            numbers = " ".join(f"{name} {value:.3f}" for name, value in judged.items())
            print(f"step {run.step_count} {time.monotonic() - start:.0f} s {numbers}", flush=True)
            if checkpoint:
                torch.save({"run": run.state_dict(), "average": average.state_dict()}, checkpoint)
    return run, average


def write(run: ImagesGan, average: nn.Module, width: int, steps: int) -> None:
    """Both players as half-precision safetensors, and the card."""
    name = weights_name(run.config)
    players = {"generator": average.state_dict(), "discriminator": run.discriminator.state_dict()}
    tensors = {f"{who}.{key}": t.half().contiguous() for who, state in players.items() for key, t in state.items()}
    path = WEIGHTS / f"{name}.safetensors"
    sizes = {"width": width, "dense_units": run.config.dense_units, "latent_dimension": run.latent, "steps": steps}
    save_file(tensors, path, {what: str(value) for what, value in sizes.items()})
    how = f"apps/gans/images.py with {sizes}, batch {run.config.batch_size}, Adam at {RATES}, falling in "
    how += "the second half, seed 0, one thread; the generator is a moving average over ~500 steps."
    licence = "MIT, like the app; trained on Fashion-MNIST (MIT, © 2017 Zalando SE)"
    if run.config.dataset == "fashion_mnist":
        judged = quality(average, run.latent)
        how += f" Of 1,000 samples the rarest of {len(CLASSES)} classes has {judged['class_share_min']:.1%}; mean "
        how += f"confidence {judged['confidence']:.2f}, Fréchet distance {judged['feature_distance']:.1f}."
    else:
        licence = "CC BY-SA 4.0, as the strictest of the drawings it learned from (see data/emoji/index.json)"
    write_card(
        WEIGHTS / f"{name}.card.toml", [path], title=f"Generator and discriminator of {run.config.dataset}",
        title_es=f"Generador y discriminador de {run.config.dataset}",
        licence=licence, source="Trained for this app on the pictures that it ships in assets/data/.",
        made_by=f"python -m assets.build.gans_images --dataset {run.config.dataset} --width {width} "
        f"--dense-units {run.config.dense_units} --steps {steps}",
        how=how, pages=["gans"],
    )  # fmt: skip


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="fashion_mnist", choices=("fashion_mnist", "emoji"))
    parser.add_argument("--emoji-group", default="smileys_emotion")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--dense-units", type=int, default=256)
    parser.add_argument("--latent-dimension", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--checkpoint", type=Path, help="saved every 200 steps, and gone on from")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = ImagesGanConfig(
        dataset=arguments.dataset, emoji_group=arguments.emoji_group, width=arguments.width,
        dense_units=arguments.dense_units, latent_dimension=arguments.latent_dimension,
    )  # fmt: skip
    run, average = train(config, arguments.steps, arguments.checkpoint)
    write(run, average, arguments.width, arguments.steps)


if __name__ == "__main__":
    main()
