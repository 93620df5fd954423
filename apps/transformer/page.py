"""Transformers: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.transformer import multi_head, positions, tiny_gpt
from shared.ui.scene import Formula, Scene, Topic

# -- formulas, each beside what computes it ----------------------------------------------------------------

COMPARE = Formula(
    "compare",
    r"\mathrm{score}(q, k_t) = \frac{q \cdot k_t}{\sqrt{d_k}\;\tau}",
    multi_head.compare,
)
WEIGH = Formula(
    "weigh",
    r"w_t = \frac{e^{s_t}}{\sum_{t'} e^{s_{t'}}}, \qquad s_t = -\infty \text{ where } t \text{ is hidden}",
    multi_head.weigh,
)
HEADS = Formula(
    "heads",
    r"\mathrm{MultiHead}(Q, K, V) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_h)\, W^O",
    multi_head.MultiHead.answer,
)
SINUSOIDAL = Formula(
    "sinusoidal",
    r"PE_{(pos, 2i)} = \sin\!\left(pos / 10000^{2i/d}\right), \quad "
    r"PE_{(pos, 2i+1)} = \cos\!\left(pos / 10000^{2i/d}\right)",
    positions.sinusoidal,
)
ROTARY = Formula(
    "rotary",
    r"\langle R_m q, R_n k \rangle = \langle q, R_{n-m} k \rangle",
    positions.rotate,
)
SHUFFLE = Formula(
    "shuffle",
    r"\mathrm{Attention}(\Pi X) = \Pi\, \mathrm{Attention}(X)",
    positions.Positions.answers,
)
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
            id="multi_head",
            experiment="transformer/multi_head",
            layout=("shapes shapes shapes head_maps", "x q k v", "scores weights mixed output"),
            metrics=("entropy", "largest_weight"),
            knobs=("sentence", "causal", "temperature", "heads", "d_k", "d_model"),
            code=(COMPARE, WEIGH, HEADS),
        ),
        Scene(
            id="positions",
            experiment="transformer/positions",
            layout=("encoding products distance", "shuffled shuffled differences"),
            metrics=("difference_without", "difference_with", "moved"),
            knobs=("encoding", "sentence", "dimension", "base", "length"),
            code=(SINUSOIDAL, ROTARY, SHUFFLE),
        ),
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
