"""Reinforcement learning: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.reinforcement import a3c, ddpg, dqn, gridworld, non_differentiable, ppo, reinforce, tabular
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
# fmt: off
POLICY_GRADIENT = Formula("policy_gradient", r"\nabla_\theta J = \mathbb{E}\Big[\sum_t \big(G_t - b(s_t)\big)\,"
    r" \nabla_\theta \log \pi_\theta(a_t \mid s_t)\Big]", reinforce.policy_loss)
TD_TARGET = Formula("td_target", r"y = r + \gamma \max_{a'} Q_{\theta^-}(s', a')", dqn.td_target)
ADVANTAGE = Formula("advantage", r"\hat A_t = \delta_t + \gamma \lambda \hat A_{t+1}, \quad"
    r" \delta_t = r_t + \gamma V(s_{t+1}) - V(s_t)", ppo.advantages)
CLIP = Formula(
    "clip", r"L = \min\big(\rho_t \hat A_t,\; \mathrm{clip}(\rho_t, 1 - \epsilon, 1 + \epsilon)\, \hat A_t\big),"
    r"\quad \rho_t = \pi_\theta(a_t \mid s_t) \,/\, \pi_\text{old}(a_t \mid s_t)", ppo.clipped_loss)
N_STEP = Formula("n_step", r"R_t = r_t + \gamma R_{t+1}, \qquad R_{t+n} = V(s_{t+n})", a3c.n_step_returns)
ACTOR = Formula("actor", r"\nabla_\theta J = \mathbb{E}\big[\nabla_a Q(s, a)\, \nabla_\theta \mu_\theta(s)\big]"
    r"_{a = \mu_\theta(s)}", ddpg.DDPG.improve_actor)
# fmt: on

# -- scenes ------------------------------------------------------------------------------------------------

BACKUP = ("old_value", "step_reward", "discounted_next", "target", "td_error", "new_value")
EARNED = ("episodes", "greedy_return", "optimal_return")
GRID = ("grid", "own_grid")
LEARNED = ("episodes", "episode_return", "episode_return_mean_100")
LIVE = ("learning_rate_factor", "clip", "shown_every", "temperature")
SWITCHES = ("double", "duelling", "prioritised", "baseline", "synchronous", "twin_critics", "delayed_actor",
            "smoothed_target", "batch_size", "replay_size")  # fmt: skip

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
            id="control", experiment="reinforcement/control",
            layout=("play play returns", "play play actions", "value inside states"),
            metrics=("env_steps", *LEARNED, "shown_return"), code=(POLICY_GRADIENT, CLIP, ADVANTAGE),
            knobs=("env", "algorithm", *LIVE, *SWITCHES, "evaluate_every"),
        ),
        Scene(
            id="snapshots", experiment="reinforcement/control", layout=("play past yours", "actions value returns"),
            metrics=("shown_return", "past_return", "past_steps", "person_return", *LEARNED),
            knobs=("snapshot", "temperature", "env", "algorithm", "shown_every"), code=(POLICY_GRADIENT,),
        ),
        Scene(
            id="race", experiment="reinforcement/control", layout=("play play", "returns inside"),
            metrics=("env_steps", *LEARNED), knobs=("algorithm", "env", *LIVE, *SWITCHES), together=("env",),
            panes=({"algorithm": "a3c"}, {"algorithm": "dqn"}), code=(N_STEP, TD_TARGET),
        ),
        Scene(
            id="amounts", experiment="reinforcement/control", preset={"env": "Pendulum", "algorithm": "ddpg"},
            layout=("play play inside", "play play returns", "actions value states"), code=(ACTOR,),
            metrics=("env_steps", *LEARNED, "shown_return"), knobs=("env", "algorithm", *LIVE, *SWITCHES),
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
