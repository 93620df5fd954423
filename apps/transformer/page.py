"""Transformers: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.transformer import attention, chat, generate, multi_head, positions, tiny_gpt
from shared.models.decoder import Decoder
from shared.ui.scene import Formula, Scene, Topic

# -- formulas, each beside what computes it ----------------------------------------------------------------

COMPARE = Formula("compare", r"\mathrm{score}(q, k_t) = \frac{q \cdot k_t}{\sqrt{d_k}\;\tau}", multi_head.compare)
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
ROTARY = Formula("rotary", r"\langle R_m q, R_n k \rangle = \langle q, R_{n-m} k \rangle", positions.rotate)
SHUFFLE = Formula("shuffle", r"\mathrm{Attention}(\Pi X) = \Pi\, \mathrm{Attention}(X)", positions.Positions.answers)
ATTENTION = Formula(
    "attention",
    r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V",
    tiny_gpt.Attention.forward,
)
MASKED = Formula(
    "masked",
    r"a_{ij} = \frac{\exp(q_i \cdot k_j / \sqrt{d})}{\sum_{l \le i} \exp(q_i \cdot k_l / \sqrt{d})}, \quad j \le i",
    Decoder.weigh,
)
ABLATION = Formula(
    "ablation",
    r"\mathrm{MHA}(x) = \sum_h \xi_h \, \mathrm{head}_h(x) \, W^O_h, \qquad \xi_h \in \{0, 1\}",
    Decoder.finish,
)
ROLLOUT = Formula(
    "rollout",
    r"\tilde{A}^{(l)} = \tfrac{1}{2}\Big(\tfrac{1}{H}\sum_h A^{(l, h)} + I\Big) \tilde{A}^{(l - 1)}, "
    r"\qquad \tilde{A}^{(0)} = I",
    attention.roll_out,
)
HABITS = Formula(
    "habits",
    r"\mathcal{H}_i = -\sum_j a_{ij} \log a_{ij}, \qquad D_i = \sum_j a_{ij} \, |i - j|",
    attention.statistics,
)
TEMPERATURE = Formula("temperature", r"p_i = \frac{e^{z_i/\tau}}{\sum_j e^{z_j/\tau}}", generate.distribution)
TOP_K = Formula("top_k", r"V^{(k)} = \{i : \#\{j : z_j > z_i\} < k\}", generate.keep_top_k)
TOP_P = Formula("top_p", r"V^{(p)} = \arg\min_{V'} \Big\{|V'| : \sum_{i \in V'} p_i \ge p\Big\}", generate.keep_top_p)
MIN_P = Formula("min_p", r"V^{(m)} = \{i : p_i \ge m \cdot \max_j p_j\}", generate.keep_min_p)
LENS = Formula("lens", r"p^{(l)} = \mathrm{softmax}\big(W_E\, \mathrm{norm}(x^{(l)})\big)", generate.layers_say)
CACHE = Formula("cache", r"K_t = [K_{t-1};\, k_t], \qquad V_t = [V_{t-1};\, v_t]", generate.Reader.read)
TURN = Formula(
    "turn", r"\texttt{<|im\_start|>}\; r\; \hookleftarrow\; c\; \texttt{<|im\_end|>}\; \hookleftarrow", chat.turn
)
BLOCK = Formula(
    "block",
    r"x \leftarrow x + \mathrm{MHA}(\mathrm{LN}(x)), \qquad x \leftarrow x + \mathrm{MLP}(\mathrm{LN}(x))",
    tiny_gpt.Block,
)
LIKELIHOOD = Formula(
    "likelihood",
    r"\mathcal{L} = -\frac{1}{T} \sum_t \log p_\theta(u_t \mid u_1, \dots, u_{t-1})",
    tiny_gpt.TinyGpt.predict,
)
BASELINES = Formula("baselines", r"p(b \mid a) = \frac{1 + \#(a\,b)}{|V| + \sum_c \#(a\,c)}", tiny_gpt.baselines)

# -- scenes ------------------------------------------------------------------------------------------------

TRANSFORMER = Topic(
    folder=Path(__file__).parent,
    address="transformers",
    icon=":material/hub:",
    scenes=(
        Scene(
            id="attention",
            experiment="transformer/attention",
            layout=("heads heads", "map links", "pair pair", "outcome outcome_cut", "rollout rollout"),
            metrics=(
                "layers_read", "entropy", "distance", "previous", "first", "punctuation", "score", "weight", "moved",
                "tokens", "left_out",
            ),
            knobs=("model", "sentence", "second", "keep"),
            panes=({"model": "minilm"}, {"model": "smollm2"}),
            together=("sentence", "second"),
            told_by="model",
            projected=("heads heads",) * 2 + ("map links",) * 3 + ("outcome outcome_cut",) * 2,
            projected_metrics=("layers_read", "weight", "moved"),
            code=(MASKED, HABITS, ABLATION, ROLLOUT),
        ),
        Scene(
            id="multi_head",
            experiment="transformer/multi_head",
            layout=("shapes shapes shapes head_maps", "x q k v", "scores weights mixed output"),
            metrics=("row_entropy", "largest_weight"),
            knobs=("words", "causal", "temperature", "heads", "d_k", "d_model"),
            code=(COMPARE, WEIGH, HEADS),
        ),
        Scene(
            id="positions",
            experiment="transformer/positions",
            layout=("encoding products distance", "shuffled shuffled differences"),
            metrics=("difference_without", "difference_with", "words_moved"),
            knobs=("encoding", "words", "dimension", "base", "length"),
            code=(SINUSOIDAL, ROTARY, SHUFFLE),
        ),
        Scene(
            id="generate",
            experiment="transformer/generate",
            layout=("text text layers_say", "model_next drawn_from layers_say", "looks branches branches"),
            metrics=(
                "tokens", "branches", "candidates", "surprise", "cached_tokens_per_second",
                "uncached_tokens_per_second",
            ),
            knobs=("prompt", "greedy", "temperature", "top_k", "top_p", "min_p", "cache", "layer", "head"),
            code=(TEMPERATURE, TOP_K, TOP_P, MIN_P, LENS, CACHE),
        ),
        Scene(
            id="chat",
            experiment="transformer/chat",
            layout=("conversation bare", "conversation bare", "chat_next bare_next"),
            metrics=("tokens", "turns", "answer_tokens"),
            knobs=("message", "system", "temperature"),
            code=(TURN,),
        ),
        Scene(
            id="tiny_gpt",
            experiment="transformer/tiny_gpt",
            layout=("written written losses", "passage next losses", *("heads attention attention",) * 2),
            metrics=("loss_train", "loss_validation", "bigram_loss", "tokens_per_second"),
            knobs=(
                "start", "text", "own_text", "learning_rate", "temperature", "positions", "heads", "layers",
                "width", "context", "batch_size",
            ),
            code=(ATTENTION, BLOCK, LIKELIHOOD, BASELINES),
        ),
    ),
)  # fmt: skip
