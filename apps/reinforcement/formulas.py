"""Reinforcement learning: the formulas of the page, each beside the function that computes it."""

from apps.reinforcement import (
    a3c,
    atari_agent,
    atari_dqn,
    ddpg,
    dqn,
    gridworld,
    non_differentiable,
    ppo,
    reinforce,
    saliency,
    tabular,
)
from shared.ui.scene import Formula

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
PIXEL_OBJECTIVE = Formula("pixel_objective", r"L = L^\text{CLIP} - c_1 \big(V_\theta(s_t) - V_t^\text{target}\big)^2"
    r" + c_2\, S[\pi_\theta](s_t)", atari_agent.PixelPPO.improve)
PIXEL_TARGET = Formula("pixel_target", r"a' = \arg\max_a Q_\theta(s', a), \qquad y = r + \gamma\, Q_{\theta^-}(s', a')",
    atari_dqn.PixelDQN.target)
PERTURBATION = Formula("perturbation", r"S(i, j) = \tfrac{1}{2} \big\lVert \pi(s) - \pi\big(s \odot (1 - m_{ij})"
    r" + \mathrm{blur}(s) \odot m_{ij}\big) \big\rVert^2", saliency.perturbation)
SLOPE = Formula("slope", r"S(i, j) = \max_c \Big|\, \frac{\partial \log \pi(a^* \mid s)}{\partial s_{cij}} \Big|",
    saliency.gradient)
TWIN_TARGET = Formula("twin_target", r"y = r + \gamma \min_{i = 1, 2} Q_{\theta'_i}(s', \tilde a), \qquad"
    r" \tilde a = \mu_{\phi'}(s') + \mathrm{clip}(\varepsilon, -c, c)", ddpg.DDPG.target)
SALIENCY = (SLOPE, PERTURBATION)
# fmt: on
