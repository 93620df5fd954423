"""Train the shipped Fashion-MNIST classifier on all 60,000 training pictures: about six minutes on one core.

Run it as `python -m assets.build.classifier [--source FOLDER] [--epochs N]`.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from assets.build.card import write_card
from assets.build.fashion_mnist import DEBIAN, read_split
from shared.data.fashion_mnist import fashion_mnist
from shared.models.classifier import Classifier, fit_gaussian

WEIGHTS = Path(__file__).parents[1] / "weights"
BATCH = 128


def as_input(images: Tensor) -> Tensor:
    """uint8 (N, 28, 28) → float32 (N, 1, 28, 28) in -1 … 1."""
    return images[:, None].float() / 127.5 - 1


def augment(images: Tensor) -> Tensor:
    """Mirror half of the pictures and move the batch by up to one pixel each way."""
    mirrored = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    dy, dx = torch.randint(0, 3, (2,)).tolist()
    return F.pad(mirrored, (1, 1, 1, 1), value=-1.0)[:, :, dy : dy + 28, dx : dx + 28]


def train(images: Tensor, labels: Tensor, epochs: int) -> Classifier:
    """Adam with a one-cycle learning rate on the cross-entropy."""
    model = Classifier()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    steps = epochs * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    for epoch in range(epochs):
        order = torch.randperm(len(images))[: len(images) // BATCH * BATCH].view(-1, BATCH)
        for chosen in order:
            loss = F.cross_entropy(model(augment(as_input(images[chosen]))), labels[chosen], label_smoothing=0.02)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{epochs}, last batch's loss {loss.item():.3f}", flush=True)
    return model.eval()


@torch.no_grad()
def accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of right answers, 0 … 1."""
    guesses = torch.cat([model(as_input(piece)).argmax(1) for piece in images.split(50)])
    return (guesses == labels).float().mean().item()


def main() -> None:
    """Train, measure on the full and on the shipped test pictures, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=DEBIAN)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = (torch.tensor(a) for a in read_split(arguments.source, "train"))
    model = train(images, labels.long(), arguments.epochs)
    full = accuracy(model, *(torch.tensor(a) for a in read_split(arguments.source, "test")))
    write(model, full, arguments.epochs)


def write(model: Classifier, full: float, epochs: int) -> None:
    """Weights, what the real pictures look like to them (for the Fréchet distance), and the card."""
    images, labels = (torch.tensor(a) for a in fashion_mnist("test"))
    shipped = accuracy(model, images, labels)
    print(f"accuracy: {full:.4f} on all 10,000 test pictures, {shipped:.4f} on the 2,000 shipped")
    with torch.no_grad():
        real = fit_gaussian(torch.cat([model.features(as_input(piece)) for piece in images.split(50)]))
    reference = {"reference.mean": real.mean.float(), "reference.covariance": real.covariance.float()}
    path = WEIGHTS / "fashion_classifier.safetensors"
    save_file(model.state_dict() | reference, path, {"test_accuracy": f"{full:.4f}"})
    write_card(
        WEIGHTS / "fashion_classifier.card.toml",
        [path],
        title="Classifier of Fashion-MNIST pictures",
        title_es="Clasificador de las imágenes de Fashion-MNIST",
        licence="MIT, like the app; trained on Fashion-MNIST (MIT, © 2017 Zalando SE)",
        source="Trained for this app on all 60,000 training pictures of Fashion-MNIST; no test picture was used.",
        made_by=f"python -m assets.build.classifier --epochs {epochs}",
        how=f"shared/models/classifier.py, cross-entropy, AdamW, one-cycle learning rate, {epochs} epochs, mirrored "
        f"and moved by a pixel, seed 0. Right on {full:.2%} of the original 10,000 test pictures and on {shipped:.2%} "
        "of the 2,000 that the app ships. reference.* are mean and covariance of its features on those 2,000.",
        pages=["gans"],
    )


if __name__ == "__main__":
    main()
