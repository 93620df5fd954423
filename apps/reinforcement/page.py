"""Reinforcement learning: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.reinforcement import gridworld, non_differentiable, tabular
from shared.ui.scene import Formula, Scene, Topic

# -- formulas, each beside what computes it ----------------------------------------------------------------

RETURN = Formula(
    "return", r"G_t = R_{t+1} + \gamma R_{t+2} + \gamma^2 R_{t+3} + \dots = R_{t+1} + \gamma G_{t+1}", tabular.returns
)
OPTIMALITY = Formula(
    "optimality",
    r"V(s) \leftarrow \max_a \big[ R(s, a) + \gamma V(s') \big]",
    tabular.bellman_optimality,
)
EXPECTATION = Formula(
    "expectation",
    r"V(s) \leftarrow \sum_a \pi(a \mid s) \big[ R(s, a) + \gamma V(s') \big]",
    tabular.bellman_expectation,
)
UPDATE = Formula(
    "update",
    r"Q(S, A) \leftarrow Q(S, A) + \alpha\, \big[\, \text{target} - Q(S, A) \,\big]",
    gridworld.Gridworld.update,
)
SARSA = Formula("sarsa", r"\text{target} = R + \gamma\, Q(S', A')", tabular.sarsa_target)
Q_LEARNING = Formula("q_learning", r"\text{target} = R + \gamma \max_a Q(S', a)", tabular.q_learning_target)
EXPECTED_SARSA = Formula(
    "expected_sarsa",
    r"\text{target} = R + \gamma \sum_a \pi(a \mid S')\, Q(S', a)",
    tabular.expected_sarsa_target,
)
TRACES = Formula(
    "traces",
    r"Q(s, a) \leftarrow Q(s, a) + \alpha\, \delta\, e(s, a), \qquad e(s, a) \leftarrow \gamma \lambda\, e(s, a)",
    tabular.fade_and_learn,
)
CHOICE = Formula(
    "choice",
    r"\pi(a \mid s) = \tfrac{\varepsilon}{4} + (1 - \varepsilon)\, \mathbf{1}\big[a = \arg\max_b Q(s, b)\big]",
    gridworld.Gridworld.choose,
)
FLAT = Formula(
    "flat",
    r"\frac{\partial}{\partial \theta}\; \mathrm{score}\big(\arg\max_y \pi_\theta(y)\big) = 0",
    non_differentiable.TokenTask.best,
)
REINFORCE = Formula(
    "reinforce",
    r"\nabla_\theta\, \mathbb{E}_{y \sim \pi_\theta}[R(y)] = "
    r"\mathbb{E}_{y \sim \pi_\theta}\big[(R(y) - b)\, \nabla_\theta \log \pi_\theta(y)\big]",
    non_differentiable.reinforce_loss,
)
VARIANCE = Formula(
    "variance",
    r"\widehat{\mathrm{Var}}[\bar g] = \frac{1}{P (P - 1)} \sum_{p=1}^{P} \lVert g_p - \bar g \rVert^2",
    non_differentiable.gradient_variance,
)

# -- scenes ------------------------------------------------------------------------------------------------

BACKUP = ("old_value", "step_reward", "discounted_next", "target", "td_error", "new_value")
EARNED = ("episodes", "greedy_return", "optimal_return")
GRID = ("grid", "own_grid")

REINFORCEMENT = Topic(
    folder=Path(__file__).parent,
    address="reinforcement-learning",
    icon=":material/explore:",
    scenes=(
        Scene(
            id="gridworld",
            experiment="reinforcement/gridworld",
            layout=("grid grid returns", "grid grid action_values", "grid grid visits"),
            metrics=(*BACKUP, "episode_return", "person_return", "optimal_return"),
            knobs=(
                "algorithm", "grid", "learning_rate", "discount", "epsilon", "trace_decay", "initial_value",
                "step_limit", "own_grid",
            ),
            code=(UPDATE, Q_LEARNING, SARSA, EXPECTED_SARSA, TRACES),
        ),
        Scene(
            id="discount",
            experiment="reinforcement/gridworld",
            layout=("grid grid grid", "returns action_values visits"),
            metrics=("discounted_next", "target", "new_value", *EARNED),
            knobs=("discount", "algorithm", *GRID),
            preset={"grid": "two_goals", "algorithm": "value_iteration"},
            code=(RETURN, OPTIMALITY, EXPECTATION),
        ),
        Scene(
            id="exploration",
            experiment="reinforcement/gridworld",
            layout=("grid grid", "returns visits"),
            metrics=("episode_return", *EARNED),
            knobs=("epsilon", "algorithm", "learning_rate", "discount", "initial_value", *GRID),
            preset={"grid": "cliff", "discount": 1.0},
            panes=({"algorithm": "sarsa"}, {"algorithm": "q_learning"}),
            code=(CHOICE, SARSA, Q_LEARNING),
        ),
        Scene(
            id="non_differentiable",
            experiment="reinforcement/non_differentiable",
            layout=("answers answers scores", "answers answers variance", "answers answers gradients"),
            metrics=("score_through_metric", "score_surrogate", "score_reinforce", "reward", "expected_reward"),
            knobs=("task", "learning_rate", "baseline", "spread", "batch_size"),
            code=(FLAT, REINFORCE, VARIANCE),
        ),
    ),
)  # fmt: skip
