"""A generator learns to draw clothes, or emoji, from a discriminator that tells its pictures from real ones.

Read it from the top: the losses, the two networks, then ImagesGan, whose six phases are one update.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.data.emoji import GROUPS, emoji_pictures, on_white
from shared.data.fashion_mnist import CLASSES, fashion_mnist
from shared.live.experiment import Bars, Curves, Experiment, Frame, Heatmap, Histogram, Images, Plain, Series, knob
from shared.models.classifier import FEATURES, assess, class_shares, conclude, look
from shared.models.shipped import shipped_weights

LOSSES = ("non_saturating", "least_squares", "hinge")
BETAS = (0.5, 0.999)  # Adam's, as Radford et al. 2015 set them: less momentum than usual
SHOWN, WALK = 64, 8  # pictures of fixed noise in every frame, and on the way from one chosen sample to the other
MOMENTS = 12  # columns of the film, at most, before the present one
JUDGED, EVERY = 500, 100  # so many samples are judged every so many steps: about 5 % of the run's time…
PARTS = 10  # …a tenth of them in each of the last ten steps: so none takes much longer than the others


@dataclass(frozen=True)
class ImagesGanConfig:
    """The settings; with the default ones, clothes can be told apart after about a minute on one core."""

    dataset: str = knob("fashion_mnist", choices=("fashion_mnist", "emoji"))
    emoji_group: str = knob("smileys_emotion", choices=GROUPS)  # of the emoji alone
    start: str = knob("scratch", choices=("scratch", "shipped"))  # shipped weights bring their own sizes
    loss: str = knob("non_saturating", choices=LOSSES, live=True)
    lr_discriminator: float = knob(1e-3, low=1e-5, high=1e-1, scale="log", live=True)
    lr_generator: float = knob(1e-3, low=1e-5, high=1e-1, scale="log", live=True)
    width: int = knob(16, low=4, high=64, scale="log")  # channels at half resolution; twice as many at a quarter
    latent_dimension: int = knob(32, low=2, high=128, scale="log")
    dense_units: int = knob(0, low=0, high=512)  # of one more dense layer in each player, as Chen et al. 2016; 0: none
    batch_size: int = knob(64, low=8, high=256, scale="log")


# -- the losses: s = D's raw score of a picture, before any sigmoid --------------------------------------


def discriminator_loss(name: str, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator lowers, given its scores of real and of generated pictures, (N,) each."""
    if name == "non_saturating":  # Goodfellow 2014, eq. 1: -log D(x) - log(1 - D(G(z))), D = σ(s)
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if name == "least_squares":  # Mao et al. 2017, eq. 9: real → 1, generated → 0
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()
    if name == "hinge":  # Lim & Ye 2017, eq. 9; Miyato et al. 2018, eq. 16
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    raise ValueError(f"loss is {name!r}; it may be one of {', '.join(LOSSES)}")


def generator_loss(name: str, fake: Tensor) -> Tensor:
    """What the generator lowers, given the discriminator's scores of generated pictures, (N,)."""
    if name == "non_saturating":  # Goodfellow 2014, section 3: -log D(G(z))
        return F.softplus(-fake).mean()
    if name == "least_squares":  # Mao et al. 2017, eq. 9
        return 0.5 * (fake - 1).square().mean()
    if name == "hinge":  # Miyato et al. 2018, eq. 17
        return -fake.mean()
    raise ValueError(f"loss is {name!r}; it may be one of {', '.join(LOSSES)}")


# -- the players: Radford et al. 2015, section 3, two layers shorter -------------------------------------


def make_generator(latent: int, dense: int, width: int, channels: int, size: int) -> nn.Sequential:
    """z (N, latent) → pictures (N, channels, size, size) in -1 … 1; each transposed convolution doubles the side."""
    side = size // 4
    first = [nn.Linear(latent, dense, bias=False), nn.BatchNorm1d(dense), nn.ReLU()] if dense else []
    return nn.Sequential(
        *first,
        nn.Linear(dense or latent, 2 * width * side * side, bias=False),
        nn.Unflatten(1, (2 * width, side, side)),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),  # (N, width, size/2, size/2)
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def make_discriminator(dense: int, width: int, channels: int, size: int) -> nn.Sequential:
    """Pictures (N, channels, size, size) → scores (N, 1); each convolution halves the side."""
    side = size // 4
    pixels = 2 * width * side * side
    last = [nn.Linear(pixels, dense), nn.LeakyReLU(0.2)] if dense else []
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # (N, 2 width, size/4, size/4)
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        *last,
        nn.Linear(dense or pixels, 1),
    )


def descend(optimizer: torch.optim.Optimizer, gradients: tuple[Tensor, ...], learning_rate: float) -> None:
    """One move of one player down its own gradients."""
    (group,) = optimizer.param_groups
    group["lr"] = learning_rate
    for parameter, gradient in zip(group["params"], gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


class ImagesGan(Experiment[ImagesGanConfig]):
    """A deep convolutional generative adversarial network. Goodfellow et al. 2014, alg. 1; Radford et al. 2015.

    Differences from the papers: pictures of 28 or 32 pixels, so two convolutions a player where Radford has four,
    and far fewer channels; no batch normalisation in the discriminator; torch's own initial weights; the generator
    learns from the pictures that the discriminator has just judged, not from new ones.

    Metrics: `loss_discriminator`, `loss_generator`; of clothes also, every EVERY steps, of the same JUDGED noises as
    drawn in the last PARTS steps: `class_share_min` (of the rarest class, 0 … 0.1), `confidence` (mean probability of
    the likeliest class, 0.1 … 1), `feature_distance` (Fréchet distance to the test pictures in the classifier's
    features, ≥ 0; Heusel 2017).
    """

    id = "gans/images"
    phases = (
        "sample", "score", "discriminator_gradient", "discriminator_moves", "generator_gradient", "generator_moves",
    )  # fmt: skip

    def __init__(self, config: ImagesGanConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.pictures = pictures(config)  # numpy, so that a checkpoint leaves them out
        self.build()
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), betas=BETAS, fused=True)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), betas=BETAS, fused=True)
        self.fixed_noise = torch.randn(JUDGED, self.latent)  # the first SHOWN of them are drawn
        self.selected = [0, 1]  # the two samples of film and walk; the gradient is the second one's
        self.film = Film()
        self.losses, self.quality = Series("loss_discriminator", "loss_generator"), Series("feature_distance")
        self.features = torch.zeros(JUDGED, FEATURES)  # of the fixed noise's pictures, to the classifier
        self.measured: dict[str, float] = {}
        self.sample()  # look at one batch, without a move, so that the first frame has scores and losses
        self.score()
        self.loss_discriminator = discriminator_loss(config.loss, self.real_scores, self.fake_scores).item()
        self.loss_generator = generator_loss(config.loss, self.fake_scores).item()
        self.forget_graph()
        self.take_stock(0)

    def build(self) -> None:
        """Both players, new or as shipped: a shipped file says in its metadata how large they are."""
        size, channels = self.pictures.shape[1], self.pictures.shape[3]
        self.latent, dense, width = self.config.latent_dimension, self.config.dense_units, self.config.width
        tensors: dict[str, torch.Tensor] = {}
        if self.config.start == "shipped":
            try:
                tensors, about = shipped_weights(weights_name(self.config))
            except FileNotFoundError:
                raise Plain("weights_missing", name=weights_name(self.config)) from None
            self.latent, dense, width = (int(about[name]) for name in ("latent_dimension", "dense_units", "width"))
        self.generator = make_generator(self.latent, dense, width, channels, size)
        self.discriminator = make_discriminator(dense, width, channels, size)
        for player, module in (("generator", self.generator), ("discriminator", self.discriminator)):
            if tensors:
                module.load_state_dict({name: tensors[f"{player}.{name}"].float() for name in module.state_dict()})

    # -- one update, in six phases ------------------------------------------------------------------------

    def sample(self) -> None:
        """Real pictures x from the data, noise z from the prior N(0, 1), generated pictures G(z)."""
        chosen = torch.randint(len(self.pictures), (self.config.batch_size,)).numpy()
        self.real = as_input(self.pictures[chosen])
        self.fake = self.generator(torch.randn(self.config.batch_size, self.latent))

    def score(self) -> None:
        """D scores both, in one pass."""
        scores = self.discriminator(torch.cat([self.real, self.fake.detach()])).squeeze(1)
        self.real_scores, self.fake_scores = scores.chunk(2)

    def discriminator_gradient(self) -> None:
        """∂L_D/∂θ_D: how D would tell real from generated better."""
        loss = discriminator_loss(self.config.loss, self.real_scores, self.fake_scores)
        self.discriminator_gradients = torch.autograd.grad(loss, list(self.discriminator.parameters()))
        self.loss_discriminator = loss.item()

    def discriminator_moves(self) -> None:
        """θ_D ← θ_D - η_D ∂L_D/∂θ_D."""
        descend(self.discriminator_optimizer, self.discriminator_gradients, self.config.lr_discriminator)

    def generator_gradient(self) -> None:
        """∂L_G/∂θ_G, through D's new score of each generated picture: how G would fool D better."""
        loss = generator_loss(self.config.loss, self.discriminator(self.fake).squeeze(1))
        self.generator_gradients = torch.autograd.grad(loss, list(self.generator.parameters()))
        self.loss_generator = loss.item()

    def generator_moves(self) -> None:
        """θ_G ← θ_G - η_G ∂L_G/∂θ_G; then what the run remembers of this step."""
        descend(self.generator_optimizer, self.generator_gradients, self.config.lr_generator)
        self.forget_graph()
        step = self.step_count + 1
        self.losses.record(step, loss_discriminator=self.loss_discriminator, loss_generator=self.loss_generator)
        self.take_stock(step)

    def forget_graph(self) -> None:
        """Keep the numbers of this update, drop what only its gradients needed."""
        self.fake, self.real_scores = self.fake.detach(), self.real_scores.detach()
        self.fake_scores = self.fake_scores.detach()
        self.generator_gradients = self.discriminator_gradients = ()

    # -- what there is to see ------------------------------------------------------------------------------

    def imagine(self, noise: Tensor) -> Tensor:
        """G(z) with the running means in batch normalisation: a picture then depends on its own z alone."""
        self.generator.eval()
        made = self.generator(noise)
        self.generator.train()
        return made

    @torch.no_grad()
    def take_stock(self, step: int) -> None:
        """Add a moment to the film when one is due; judge the samples, and take their measure every EVERY steps."""
        if self.film.due(step):
            self.film.keep(step, as_pixels(self.imagine(self.fixed_noise[:SHOWN])))
        if self.config.dataset == "fashion_mnist":
            left = -step % EVERY  # steps until the next measure
            for part, noise in enumerate(self.fixed_noise.chunk(PARTS)):
                if step == 0 or part == PARTS - 1 - left:
                    self.features.chunk(PARTS)[part].copy_(look(self.imagine(noise)))
            if left == 0:
                seen = conclude(self.features)
                self.class_shares, self.measured = class_shares(seen), assess(seen)
                self.quality.record(step, feature_distance=self.measured["feature_distance"])

    def frame(self) -> Frame:
        """The fixed noise as it is drawn now, and what surrounds it."""
        first, second = self.fixed_noise[self.selected]
        with torch.no_grad():
            drawn = self.imagine(torch.cat([self.fixed_noise[:SHOWN], latent_walk(first, second, WALK)]))
        pixels = as_pixels(drawn)
        views = {
            "samples": Images(pixels[:SHOWN], selectable=True, selected=tuple(self.selected)),
            "film": self.film.view(self.selected, pixels, self.step_count),
            "real": Images(as_pixels(self.real)),
            "scores": score_histogram(self.config.loss, self.real_scores, self.fake_scores),
            "gradient": self.gradient(drawn[self.selected[1]]),
            "walk": Images(pixels[SHOWN:], columns=WALK),
            "losses": Curves(self.losses.curves()),
        }
        if self.config.dataset == "fashion_mnist":
            views["classes"] = Bars(self.class_shares.numpy().copy(), CLASSES)
            views["quality"] = Curves(self.quality.curves(), log=True)
        metrics = {"loss_discriminator": self.loss_discriminator, "loss_generator": self.loss_generator}
        return Frame(metrics | self.measured, views)

    def gradient(self, picture: Tensor) -> Heatmap:
        """∂L_G/∂pixels of one picture (C, H, W), summed over colours: where negative, brighter fools D better."""
        picture = picture.clone().requires_grad_()
        loss = generator_loss(self.config.loss, self.discriminator(picture[None]).squeeze(1))
        values = torch.autograd.grad(loss, picture)[0].sum(0).numpy()
        end = float(np.abs(values).max()) or 1.0
        return Heatmap(values, -end, end)

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A click on a sample: it becomes the end of the walk, the former end its beginning."""
        index = event.get("index")
        if event.get("kind") != "select" or event.get("view") != "samples":
            super().on_event(event)  # raises
        if type(index) is not int or not 0 <= index < SHOWN:
            raise Plain("event_unknown", kind=f"select {str(index)[:40]}")
        self.selected = [self.selected[1], index]


class Film:
    """What the fixed noise looked like at moments of the run, evenly spaced; room is bounded, so they thin out."""

    def __init__(self) -> None:
        self.stride = 5
        self.moments: list[tuple[int, np.ndarray]] = []

    def due(self, step: int) -> bool:
        """True when the moment after `step` steps is to be kept."""
        return step % self.stride == 0

    def keep(self, step: int, pixels: np.ndarray) -> None:
        """Remember uint8 (N, H, W[, 3]); when full, every second moment goes and from then on half as many come."""
        self.moments.append((step, pixels))
        if len(self.moments) > MOMENTS:
            self.stride *= 2
            self.moments = [moment for moment in self.moments if self.due(moment[0])]

    def view(self, rows: list[int], now: np.ndarray, step: int) -> Images:
        """One row for each chosen sample: its moments, then `now`, uint8 (≥ N, H, W[, 3])."""
        strip = [*(m for m in self.moments if m[0] < step), (step, now)]
        cells = [pixels[row] for row in rows for _, pixels in strip]
        return Images(np.stack(cells), len(strip), tuple(str(s) for s, _ in strip) + ("",) * (len(cells) - len(strip)))

    def state_dict(self) -> dict[str, Any]:
        return {"stride": self.stride, "moments": [(s, torch.from_numpy(p)) for s, p in self.moments]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stride, self.moments = state["stride"], [(s, p.numpy()) for s, p in state["moments"]]


def pictures(config: ImagesGanConfig) -> np.ndarray:
    """The real pictures, uint8 (N, H, W, C)."""
    if config.dataset == "fashion_mnist":
        return fashion_mnist("train")[0][..., None]
    return on_white(emoji_pictures(size=32, group=config.emoji_group).pixels)


def weights_name(config: ImagesGanConfig) -> str:
    """The shipped file for a dataset."""
    return "gans_fashion_mnist" if config.dataset == "fashion_mnist" else f"gans_emoji_{config.emoji_group}"


def as_input(pixels: np.ndarray) -> Tensor:
    """uint8 (N, H, W, C), 0 … 255 → float32 (N, C, H, W), -1 … 1."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pixels(images: Tensor) -> np.ndarray:
    """float32 (N, C, H, W), -1 … 1 → uint8 (N, H, W) of one channel, (N, H, W, 3) of three."""
    pixels = ((images.detach() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    return np.ascontiguousarray(pixels.squeeze(3).numpy() if pixels.shape[3] == 1 else pixels.numpy())


def latent_walk(start: Tensor, end: Tensor, count: int) -> Tensor:
    """`count` points from one z to another, (count, latent), both included, on an arc: White 2016, section 2.1.

    A straight line would pass near the origin, where Gaussian noise of many dimensions hardly ever falls.
    """
    if torch.equal(start, end):
        return start.expand(count, -1)
    angle = torch.acos(F.cosine_similarity(start, end, dim=0).clamp(-1 + 1e-6, 1 - 1e-6))
    t = torch.linspace(0, 1, count)[:, None]
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


def score_histogram(loss: str, real: Tensor, fake: Tensor) -> Histogram:
    """How D scored the last batch: as D(x) = σ(s), 0 … 1, where s is a logit; else s itself, cut at ±3."""
    low, high = (0.0, 1.0) if loss == "non_saturating" else (-3.0, 3.0)
    edges = np.linspace(low, high, 25, dtype=np.float32)
    counts = {}
    for name, scores in (("real", real), ("fake", fake)):
        shown = torch.sigmoid(scores) if loss == "non_saturating" else scores
        counts[name] = np.histogram(shown.detach().clamp(low, high).numpy(), edges)[0].astype(np.float32)
    return Histogram(edges, counts)
