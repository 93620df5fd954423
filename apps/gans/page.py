"""Generative adversarial networks: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.gans import clinic, images, points
from shared.data.points import judge
from shared.models.classifier import frechet_distance
from shared.ui.scene import Formula, Scene, Topic

# -- formulas, each beside what computes it ----------------------------------------------------------------

MINIMAX = Formula(
    "minimax",
    r"\min_G \max_D \; \mathbb{E}_{x}\,[\log D(x)] + \mathbb{E}_{z}\,[\log(1 - D(G(z)))]",
    points.discriminator_loss,
)
NON_SATURATING = Formula("non_saturating", r"\mathcal{L}_G = -\,\mathbb{E}_{z}\,[\log D(G(z))]", points.generator_loss)
ARROW = Formula("arrow", r"-\,\frac{\partial \ell_G}{\partial x}\bigg|_{x = G(z)}", points.arrows)
MODES = Formula(
    "modes",
    r"\sum_k \mathbf{1}\big[\tfrac1N \textstyle\sum_i \mathbf{1}[\lVert x_i - \mu_k \rVert \le 3\sigma] \ge 0.01\big]",
    judge,
)
PENALTY = Formula(
    "penalty",
    r"\lambda\, \mathbb{E}_{\hat x}\big[(\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - 1)^2\big]",
    points.gradient_penalty,
)
SATURATION = Formula(
    "saturation",
    r"\tfrac{\partial}{\partial s} \log(1 - \sigma(s)) = -\sigma(s) \qquad"
    r"\tfrac{\partial}{\partial s} \big(\!-\!\log \sigma(s)\big) = -(1 - \sigma(s))",
    points.generator_loss,
)
NOISE = Formula(
    "noise", r"\tilde x = x + \sigma\,\varepsilon, \qquad \varepsilon \sim \mathcal{N}(0, I)", points.PointsGan.blur
)
DESCENT = Formula(
    "descent",
    r"\theta_D \leftarrow \theta_D - \eta_D \tfrac{\partial \mathcal{L}_D}{\partial \theta_D} \qquad"
    r"\theta_G \leftarrow \theta_G - \eta_G \tfrac{\partial \mathcal{L}_G}{\partial \theta_G}",
    points.descend,
)
HINGE = Formula(
    "hinge",
    r"\mathcal{L}_D = \mathbb{E}_x[\max(0, 1 - s(x))] + \mathbb{E}_z[\max(0, 1 + s(G(z)))]",
    points.discriminator_loss,
)
LEAST_SQUARES = Formula(
    "least_squares", r"\mathcal{L}_G = \tfrac12\, \mathbb{E}_z\big[(s(G(z)) - 1)^2\big]", points.generator_loss
)
GENERATOR = Formula(
    "generator",
    r"G(z) = \tanh\!\big(W_3 \star r(W_2 \star r(W_1 z))\big), \qquad r = \mathrm{ReLU} \circ \mathrm{BN}",
    images.make_generator,
)
PICTURES = Formula("pictures", r"\mathcal{L}_G = -\,\mathbb{E}_{z}\,[\log D(G(z))]", images.generator_loss)
FRECHET = Formula(
    "frechet",
    r"\lVert \mu_r - \mu_g \rVert^2 + \mathrm{Tr}\big(C_r + C_g - 2\,(C_r C_g)^{1/2}\big)",
    frechet_distance,
)
PIXELS = Formula("pixels", r"\frac{\partial \mathcal{L}_G}{\partial x}\bigg|_{x = G(z)}", images.ImagesGan.gradient)
WALK = Formula(
    "walk",
    r"z(t) = \frac{\sin((1 - t)\,\omega)}{\sin \omega}\, z_0 + \frac{\sin(t\,\omega)}{\sin \omega}\, z_1",
    images.latent_walk,
)

# -- scenes ------------------------------------------------------------------------------------------------

QUALITY = ("modes_covered", "high_quality", "js_divergence")
RATES = ("lr_discriminator", "lr_generator")
TURNS = ("players", "discriminator_updates", "generator_updates")
SIZES = ("generator_depth", "generator_width", "discriminator_depth", "discriminator_width")
PICTURE_KNOBS = (*RATES, "loss", "width", "dense_units", "latent_dimension", "batch_size")
PICTURE_METRICS = ("feature_distance", "confidence", "class_share_min", "loss_discriminator", "loss_generator")


def patient(case: clinic.Case) -> Scene:
    """A game that goes wrong, with its remedy one press away."""
    return Scene(
        id=case.id,
        experiment="gans/points",
        layout=("plane plane losses", "plane plane accuracy", "modes scores norms"),
        projected=("plane plane losses", "plane plane modes", "plane plane scores"),
        metrics=("modes_covered", "high_quality", "movement", "generator_gradient_norm", "loss_generator"),
        knobs=("loss", *RATES, *TURNS, "instance_noise"),
        preset=case.knobs,
        remedies={case.id: case.remedy},
        code={"collapse": (MODES,), "vanishing": (SATURATION,)}.get(case.id, (DESCENT,)),
    )


GANS = Topic(
    folder=Path(__file__).parent,
    address="gans",
    icon=":material/theater_comedy:",
    scenes=(
        Scene(
            id="points",
            experiment="gans/points",
            layout=("plane plane losses", "plane plane accuracy", "scores norms norms"),
            projected=("plane plane losses", "plane plane accuracy", "plane plane scores"),
            metrics=(*QUALITY, "loss_discriminator", "loss_generator", "generator_gradient_norm"),
            knobs=(
                "dataset", *TURNS, *RATES, "loss", "instance_noise", "latent_dimension", "latent_distribution",
                *SIZES, "optimizer", "batch_size",
            ),
            code=(MINIMAX, NON_SATURATING, ARROW, MODES, DESCENT),
        ),
        *map(patient, clinic.CASES),
        Scene(
            id="race",
            experiment="gans/points",
            layout=("plane", "plane", "losses"),
            metrics=QUALITY,
            knobs=("loss", "dataset", *RATES, "discriminator_updates"),
            panes=clinic.RACE,
            told_by="loss",
            code=(HINGE, LEAST_SQUARES, PENALTY, NOISE),
        ),
        Scene(
            id="images",
            experiment="gans/images",
            layout=("samples samples film film", "samples samples scores real", "quality classes losses gradient"),
            metrics=PICTURE_METRICS,
            knobs=PICTURE_KNOBS,
            code=(GENERATOR, PICTURES, FRECHET),
        ),
        Scene(
            id="trained",
            experiment="gans/images",
            layout=("samples samples walk walk", "samples samples gradient scores", "real classes film film"),
            metrics=PICTURE_METRICS,
            knobs=(*RATES, "loss", "batch_size"),
            preset={"start": "shipped"},
            code=(WALK, PIXELS),
        ),
        Scene(
            id="emoji",
            experiment="gans/images",
            layout=("samples samples film film", "samples samples real gradient", "scores losses walk walk"),
            metrics=("loss_discriminator", "loss_generator"),
            knobs=("emoji_group", *PICTURE_KNOBS),
            preset={"dataset": "emoji"},
        ),
    ),
)  # fmt: skip
