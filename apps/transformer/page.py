"""Transformers: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.transformer import tiny_gpt
from shared.ui.scene import Formula, Scene, Topic

# -- formulas, each beside what computes it ----------------------------------------------------------------

ATTENTION = Formula(
    "attention",
    r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V",
    tiny_gpt.Attention.forward,
)
BLOCK = Formula(
    "block",
    r"x \leftarrow x + \mathrm{MHA}(\mathrm{LN}(x)), \qquad "
    r"x \leftarrow x + \mathrm{MLP}(\mathrm{LN}(x))",
    tiny_gpt.Block,
)
LIKELIHOOD = Formula(
    "likelihood",
    r"\mathcal{L} = -\frac{1}{T} \sum_t \log p_\theta(u_t \mid u_1, \dots, u_{t-1})",
    tiny_gpt.TinyGpt.predict,
)
BASELINES = Formula(
    "baselines",
    r"p(b \mid a) = \frac{1 + \#(a\,b)}{|V| + \sum_c \#(a\,c)}",
    tiny_gpt.baselines,
)

# -- scenes ------------------------------------------------------------------------------------------------

TRANSFORMER = Topic(
    folder=Path(__file__).parent,
    address="transformers",
    icon=":material/hub:",
    scenes=(
        Scene(
            id="tiny_gpt",
            experiment="transformer/tiny_gpt",
            layout=("written written losses", "passage passage next", "heads attention attention"),
            metrics=("loss_train", "loss_validation", "bigram_loss", "tokens_per_second"),
            knobs=(
                "text", "own_text", "learning_rate", "temperature", "positions", "heads", "layers", "width",
                "context", "batch_size",
            ),
            code=(ATTENTION, BLOCK, LIKELIHOOD, BASELINES),
        ),
    ),
)  # fmt: skip
