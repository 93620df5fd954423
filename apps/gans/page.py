"""Generative adversarial networks: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.gans import points
from shared.ui.scene import Formula, Scene, Topic

PLANE = ("plane plane losses", "plane plane accuracy", "scores norms norms")
MINIMAX = r"\min_G \max_D \; \mathbb{E}_{x}\,[\log D(x)] + \mathbb{E}_{z}\,[\log(1 - D(G(z)))]"
NON_SATURATING = r"\mathcal{L}_G = -\,\mathbb{E}_{z}\,[\log D(G(z))]"
ARROW = r"-\,\frac{\partial \mathcal{L}_G}{\partial x}\bigg|_{x = G(z)}"

LOSSES = (
    Formula("discriminator", MINIMAX, points.discriminator_loss),
    Formula("generator", NON_SATURATING, points.generator_loss),
)
QUALITY = ("modes_covered", "high_quality", "js_divergence", "loss_discriminator", "loss_generator")

GANS = Topic(
    folder=Path(__file__).parent,
    address="gans",
    icon=":material/theater_comedy:",
    scenes=(
        Scene(
            id="points",
            experiment="gans/points",
            layout=PLANE,
            metrics=QUALITY,
            knobs=(
                "dataset", "lr_discriminator", "lr_generator", "loss", "players", "discriminator_updates",
                "generator_updates", "instance_noise", "optimizer", "latent_distribution", "latent_dimension",
                "generator_depth", "generator_width", "discriminator_depth", "discriminator_width", "batch_size",
            ),
            code=LOSSES,
        ),
        Scene(
            id="race",
            experiment="gans/points",
            layout=("plane plane", "losses losses"),
            metrics=("modes_covered", "high_quality", "js_divergence"),
            knobs=("loss", "dataset"),
            panes=({"loss": "hinge"}, {"loss": "minimax"}),
            code=LOSSES,
        ),
    ),
)  # fmt: skip
