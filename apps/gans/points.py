"""Two small networks play a game in the plane: one makes points, the other tells them from real ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from apps.gans.drawing import latent_grid, layer_norms, score_histogram, strokes
from shared.data import points
from shared.live.experiment import Curves, Experiment, Frame, Plain, Plane, Series, View, knob

LOSSES = ("minimax", "non_saturating", "least_squares", "wasserstein_gp", "hinge")
PENALTY = 10.0  # λ of Gulrajani et al. 2017
BETAS = (0.5, 0.999)  # Adam's, as Radford et al. 2015 set them
DATA = 10_000  # real points
JUDGED, SHOWN, ARROWS = 1000, 256, 128  # generated points: for the metrics, on the plane, with an arrow
STOCK = 50  # steps between two entries in the curves of quality
FIELD = points.cell_centres(CELLS := 32)  # where the field is drawn; CELLS a side
LONGEST = 0.3  # an arrow's length for an endless gradient, in the plane's unit


# -- the losses: s = D's raw score of a point, before any sigmoid ----------------------------------------


def discriminator_loss(name: str, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator lowers, given its scores of real and of generated points, (N,) each."""
    if name in ("minimax", "non_saturating"):  # Goodfellow 2014, eq. 1: -log D(x) - log(1 - D(G(z))), D = σ(s)
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if name == "least_squares":  # Mao et al. 2017, eq. 9: real → 1, generated → 0
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()
    if name == "hinge":  # Lim & Ye 2017, eq. 9; Miyato et al. 2018, eq. 16
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if name == "wasserstein_gp":  # Arjovsky et al. 2017, eq. 2 (minus); the penalty is added below
        return fake.mean() - real.mean()
    raise ValueError(f"loss is {name!r}; it may be one of {', '.join(LOSSES)}")


def generator_loss(name: str, fake: Tensor) -> Tensor:
    """What the generator lowers, given the discriminator's scores of generated points, (N,)."""
    if name == "minimax":  # Goodfellow 2014, eq. 1: log(1 - D(G(z))); flat wherever D is sure
        return -F.softplus(fake).mean()
    if name == "non_saturating":  # Goodfellow 2014, section 3: -log D(G(z))
        return F.softplus(-fake).mean()
    if name == "least_squares":  # Mao et al. 2017, eq. 9
        return 0.5 * (fake - 1).square().mean()
    if name in ("hinge", "wasserstein_gp"):  # Miyato et al. 2018, eq. 17; Arjovsky et al. 2017, eq. 2
        return -fake.mean()
    raise ValueError(f"loss is {name!r}; it may be one of {', '.join(LOSSES)}")


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """How far the critic's slope is from 1 between real and generated points: E(‖∇D(x̂)‖ - 1)².

    Gulrajani et al. 2017, eq. 3, without λ. real, fake: (N, 2); mix: (N, 1) in 0 … 1, where on the way x̂ lies.
    """
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()


def scale(name: str, real: Tensor, fake: Tensor) -> tuple[float, float]:
    """The score at which D wavers, and how far above it a sure "real" lies, from its scores of real and fake.

    0 and 1 for logits and hinge; ½ and ½ for least squares. A critic (Wasserstein) has no such scores of its own:
    halfway between its two means, and half their distance.
    """
    if name == "least_squares":
        return 0.5, 0.5
    if name == "wasserstein_gp":
        high, low = real.mean().item(), fake.mean().item()
        return (high + low) / 2, abs(high - low) / 2 + 1e-6
    return 0.0, 1.0


def belief(name: str, scores: Tensor, wavers: float, sure: float) -> Tensor:
    """Scores as 0 (sure "generated") … 1 (sure "real"): D(x) itself for a logit, elsewhere a straight line."""
    if name in ("minimax", "non_saturating"):
        return torch.sigmoid(scores)
    return (0.5 + (scores - wavers) / (2 * sure)).clamp(0, 1)


# -- the players -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PointsGanConfig:
    """The settings; the default covers all eight modes of the ring within 5,000 steps."""

    dataset: str = knob("ring", choices=points.names())
    loss: str = knob("hinge", choices=LOSSES, live=True)
    players: str = knob("both", choices=("both", "discriminator", "generator"), live=True)  # who moves in a step
    lr_discriminator: float = knob(1e-3, low=1e-5, high=1e-1, scale="log", live=True)
    lr_generator: float = knob(1e-3, low=1e-5, high=1e-1, scale="log", live=True)
    discriminator_updates: int = knob(1, low=1, high=10, live=True)  # in one step
    generator_updates: int = knob(1, low=1, high=10, live=True)
    instance_noise: float = knob(0.0, low=0.0, high=1.0, live=True)  # std; Sønderby et al. 2017, section 3.3
    optimizer: str = knob("adam", choices=("adam", "sgd"))
    latent_distribution: str = knob("gaussian", choices=("uniform", "gaussian"))  # on [-1, 1], or N(0, 1)
    latent_dimension: int = knob(2, low=1, high=2)
    generator_depth: int = knob(3, low=1, high=6)  # hidden layers
    generator_width: int = knob(64, low=4, high=256, scale="log")
    discriminator_depth: int = knob(3, low=1, high=6)
    discriminator_width: int = knob(64, low=4, high=256, scale="log")
    batch_size: int = knob(256, low=8, high=1024, scale="log")


def mlp(inputs: int, outputs: int, depth: int, width: int) -> nn.Sequential:
    """A network of `depth` hidden layers: (N, inputs) → (N, outputs)."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def make_optimizer(name: str, network: nn.Module) -> torch.optim.Optimizer:
    """Adam or plain gradient descent; the rate is set anew at every move, since it is a live knob."""
    weights = network.parameters()
    return torch.optim.Adam(weights, betas=BETAS, fused=True) if name == "adam" else torch.optim.SGD(weights)


def descend(optimizer: torch.optim.Optimizer, gradients: list[Tensor], learning_rate: float) -> None:
    """One move of one player down its own gradients."""
    (group,) = optimizer.param_groups
    group["lr"] = learning_rate
    for parameter, gradient in zip(group["params"], gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


@dataclass
class Batch:
    """The points in play: noise (N, 1 or 2), real and fake (N, 2); both as D saw them (2N, 2), its scores (2N,)."""

    noise: Tensor
    real: Tensor
    fake: Tensor
    seen: Tensor
    scores: Tensor


class PointsGan(Experiment[PointsGanConfig]):
    """A generative adversarial network on points. Goodfellow et al. 2014, algorithm 1; losses as cited above.

    Differences from the paper: Adam or plain gradient descent, no momentum; the same small networks for both
    players, no maxout; the generator learns from the samples that the discriminator has just judged, not from new
    ones; the real points are a fixed set of 10,000.
    """

    id = "gans/points"
    phases = (
        "sample", "score", "discriminator_gradient", "discriminator_moves", "generator_gradient", "generator_moves",
    )  # fmt: skip

    def __init__(self, config: PointsGanConfig, seed: int) -> None:
        super().__init__(config, seed)
        c = config
        self.generator = mlp(c.latent_dimension, 2, c.generator_depth, c.generator_width)
        self.discriminator = mlp(2, 1, c.discriminator_depth, c.discriminator_width)
        self.generator_optimizer = make_optimizer(c.optimizer, self.generator)
        self.discriminator_optimizer = make_optimizer(c.optimizer, self.discriminator)
        self.fixed_noise = self.noise(JUDGED)  # the same in every frame, so that points can be followed
        self.latent_grid = latent_grid(c.latent_distribution, c.latent_dimension)
        self.discriminator_series = Series("loss_discriminator", "accuracy_real", "accuracy_fake")
        self.generator_series = Series("loss_generator")
        self.quality_series = Series("js_divergence", "movement")
        self.modes_series = Series("modes_covered")
        self.latest: dict[str, float] = {}
        self.use_data(c.dataset, points.sample(c.dataset, DATA))
        self.before = self.generator(self.fixed_noise).detach()
        self.take_stock(0)
        for look in (self.sample, self.score, self.discriminator_gradient, self.generator_gradient):
            look()  # at one batch, without a move, so that the first frame has losses and gradients
        self.between_steps = True

    def use_data(self, dataset: str, data: Tensor) -> None:
        """Play for these real points, (N, 2), from now on."""
        self.dataset, self.data, self.data_share = dataset, data, points.share_per_cell(data)

    def noise(self, count: int) -> Tensor:
        """z from the prior, (count, latent_dimension)."""
        shape = (count, self.config.latent_dimension)
        return torch.randn(shape) if self.config.latent_distribution == "gaussian" else 2 * torch.rand(shape) - 1

    def blur(self, x: Tensor) -> Tensor:
        """Instance noise: D sees each point a little displaced."""
        std = self.config.instance_noise
        return x + std * torch.randn_like(x) if std else x

    # -- one update, in six phases ------------------------------------------------------------------------

    def sample(self) -> None:
        """Real points x from the data, noise z from the prior, generated points G(z)."""
        noise = self.noise(self.config.batch_size)
        real = self.data[torch.randint(len(self.data), (len(noise),))]
        self.batch = Batch(noise, real, self.generator(noise), torch.empty(0), torch.empty(0))
        self.between_steps = False

    def score(self) -> None:
        """D scores both, in one pass; G is not part of this graph."""
        batch = self.batch
        batch.seen = self.blur(torch.cat([batch.real, batch.fake.detach()]))
        batch.scores = self.discriminator(batch.seen).squeeze(1)

    def discriminator_gradient(self) -> None:
        """∂L_D/∂θ_D: how D would tell real from generated better."""
        name, (real, fake) = self.config.loss, self.batch.scores.chunk(2)
        loss = discriminator_loss(name, real, fake)
        if name == "wasserstein_gp":
            real_seen, fake_seen = self.batch.seen.chunk(2)
            mix = torch.rand(len(real), 1)
            loss = loss + PENALTY * gradient_penalty(self.discriminator, real_seen, fake_seen, mix)
        self.discriminator_gradients = list(torch.autograd.grad(loss, list(self.discriminator.parameters())))
        wavers, _ = scale(name, real, fake)
        right = [(real > wavers).float().mean().item(), (fake <= wavers).float().mean().item()]
        self.note(self.discriminator_series, loss.item(), *right)

    def discriminator_moves(self) -> None:
        """θ_D ← θ_D - η_D ∂L_D/∂θ_D; with several updates a step, each further one on a new batch."""
        if self.config.players == "generator":
            return
        for left in reversed(range(self.config.discriminator_updates)):
            descend(self.discriminator_optimizer, self.discriminator_gradients, self.config.lr_discriminator)
            if left:
                self.sample()
                self.score()
                self.discriminator_gradient()

    def generator_gradient(self) -> None:
        """∂L_G/∂θ_G, through D's new score of each generated point: how G would fool D better."""
        scores = self.discriminator(self.blur(self.batch.fake)).squeeze(1)
        loss = generator_loss(self.config.loss, scores)
        self.generator_gradients = list(torch.autograd.grad(loss, list(self.generator.parameters())))
        self.note(self.generator_series, loss.item())

    def generator_moves(self) -> None:
        """θ_G ← θ_G - η_G ∂L_G/∂θ_G."""
        if self.config.players != "discriminator":
            for left in reversed(range(self.config.generator_updates)):
                descend(self.generator_optimizer, self.generator_gradients, self.config.lr_generator)
                if left:
                    self.sample()
                    self.generator_gradient()
        if (self.step_count + 1) % STOCK == 0:
            self.take_stock(self.step_count + 1)

    def step(self) -> None:
        """The six phases; what is drawn afterwards is the fixed noise, not this step's batch."""
        super().step()
        self.between_steps = True

    # -- what there is to see ------------------------------------------------------------------------------

    def note(self, series: Series, *values: float) -> None:
        """Remember this update's numbers, in the order of the series' names, for curves and frames."""
        named = dict(zip(series.names, values, strict=True))
        series.record(self.step_count, **named)
        self.latest.update(named)

    @torch.no_grad()
    def take_stock(self, step: int) -> None:
        """Every STOCK steps: how good the samples are, and how far they went since the last time."""
        now = self.generator(self.fixed_noise)
        self.movement = (now - self.before).norm(dim=1).mean().item()
        self.before = now
        judged = points.judge(now, self.data_share, points.MODES.get(self.dataset)) | {"movement": self.movement}
        for series in (self.quality_series, self.modes_series):
            if judged.keys() >= set(series.names):
                series.record(step, **{name: judged[name] for name in series.names})

    @torch.no_grad()
    def frame(self) -> Frame:
        """The players as they stand, judged on fixed noise; between the phases, the batch in play."""
        made = self.generator(torch.cat([self.fixed_noise, self.latent_grid.flatten(0, 1)]))
        samples, mesh = made[:JUDGED], made[JUDGED:].reshape(*self.latent_grid.shape[:2], 2)
        real, fake = self.data[:SHOWN], samples[:SHOWN]
        if not self.between_steps:
            real, fake = self.batch.real[:SHOWN], self.generator(self.batch.noise[:SHOWN])
        scores = self.discriminator(torch.cat([FIELD, real, fake])).squeeze(1)
        field, real_scores, fake_scores = scores.split([len(FIELD), len(real), len(fake)])
        gradients = {"generator": self.generator_gradients, "discriminator": self.discriminator_gradients}
        metrics = points.judge(samples, self.data_share, points.MODES.get(self.dataset))
        metrics |= self.latest | {"movement": self.movement}
        metrics |= {f"{who}_gradient_norm": get_total_norm(found).item() for who, found in gradients.items()}
        for name, value in ({"G(z)": samples.sum().item(), "D(x)": scores.sum().item()} | metrics).items():
            if not math.isfinite(value):
                raise Plain("diverged", metric=name, step=self.step_count)
        wavers, sure = scale(self.config.loss, real_scores, fake_scores)
        views = {
            "plane": self.plane(real, fake, belief(self.config.loss, field, wavers, sure), mesh),
            "scores": score_histogram(real_scores, fake_scores),
            "norms": layer_norms(self.generator, self.discriminator, gradients),
        }
        return Frame(metrics, views | self.curves())

    def plane(self, real: Tensor, fake: Tensor, field: Tensor, mesh: Tensor) -> Plane:
        """Points, field and the generator's folded latent grid; arrows once the generator has been told."""
        told = self.between_steps or self.phase_index in (0, self.phases.index("generator_moves"))
        return Plane(
            bounds=points.BOUNDS,
            points={"real": real.numpy(), "generated": fake.numpy()},
            field=field.reshape(CELLS, CELLS).numpy(),
            arrows=arrows(self.discriminator, self.config.loss, fake[:ARROWS]).numpy() if told else None,
            mesh=mesh.numpy(),
            drawable=self.dataset == "drawn",
        )

    def curves(self) -> dict[str, View]:
        """Losses and accuracies at every update, quality every STOCK steps."""
        accuracy = self.discriminator_series.curves()
        losses = {"loss_discriminator": accuracy.pop("loss_discriminator")} | self.generator_series.curves()
        found: dict[str, View] = {"losses": Curves(losses), "accuracy": Curves(accuracy, {"chance": 0.5})}
        if self.dataset in points.MODES:
            found["modes"] = Curves(self.modes_series.curves(), {"all": len(points.MODES[self.dataset].centres)})
        return found | {"quality": Curves(self.quality_series.curves())}

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A drawing becomes the real points, at once; cleared, they are a heart again. Both networks stay."""
        if event.get("kind") not in ("draw", "clear"):
            super().on_event(event)  # raises
        drawn = strokes(event.get("points")) if event["kind"] == "draw" else None
        self.use_data("drawn", points.sample("drawn", DATA) if drawn is None else points.sample_strokes(drawn, DATA))

    def inherit(self, before: Experiment[PointsGanConfig]) -> None:
        """A drawing outlives a reset."""
        if isinstance(before, PointsGan) and self.dataset == before.dataset == "drawn":
            self.use_data("drawn", before.data)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on between two steps: a batch half used is not kept."""
        super().load_state_dict(state)
        self.phase_index, self.between_steps = 0, True


def arrows(discriminator: nn.Module, name: str, fake: Tensor) -> Tensor:
    """Where each generated point (N, 2) is told to go: (N, 4) of x, y and the arrow along -∂ℓ_G/∂x.

    ℓ_G is the point's own loss (L_G is their mean). The arrow is LONGEST · g / (1 + |g|) for a gradient g, so that no
    gradient is no arrow, a small one is in proportion, and none leaves the picture.
    """
    with torch.enable_grad():
        x = fake.detach().requires_grad_()
        total = generator_loss(name, discriminator(x).squeeze(1)) * len(x)
        (gradient,) = torch.autograd.grad(total, x)
    return torch.cat([x.detach(), -gradient * LONGEST / (1 + gradient.norm(dim=1, keepdim=True))], dim=1)
