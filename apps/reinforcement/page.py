"""Reinforcement learning: the page's scenes, in the order of the lecture."""

from pathlib import Path

from apps.reinforcement.formulas import (
    ACTOR,
    ADVANTAGE,
    CHOICE,
    CLIP,
    EXPECTATION,
    EXPECTED_SARSA,
    FLAT,
    N_STEP,
    OPTIMALITY,
    PERTURBATION,
    PIXEL_OBJECTIVE,
    POLICY_GRADIENT,
    Q_LEARNING,
    REINFORCE,
    RETURN,
    SARSA,
    SLOPE,
    TD_TARGET,
    TRACES,
    UPDATE,
    VARIANCE,
)
from shared.ui.scene import Scene, Topic

BACKUP = ("old_value", "step_reward", "discounted_next", "target", "td_error", "new_value")
EARNED = ("episodes", "greedy_return", "optimal_return")
GRID = ("grid", "own_grid")
LEARNED = ("episodes", "episode_return", "episode_return_mean_100")
HEADLINES = ("score", "shipped_score", "lives", "episode_return", "episodes", "value", "decisions_per_second")
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
        Scene(
            id="atari", experiment="reinforcement/atari",
            layout=("screen screen network_sees network_sees", "screen screen actions actions",
                    "screen screen value value"), metrics=HEADLINES, remedies={"hand_back": {"player": "agent"}},
            knobs=("player", "checkpoint", "game", "saliency", "temperature", "sticky"), code=(SLOPE, PERTURBATION),
        ),
        Scene(
            id="atari_past", experiment="reinforcement/atari",
            layout=("screen screen", "screen screen", "value actions"),
            metrics=("score", "shipped_score", "episode_return", "value"), together=("game", "sticky"),
            knobs=("checkpoint", "game", "temperature", "saliency", "sticky"), code=(SLOPE, PERTURBATION),
            panes=({"checkpoint": "clueless"}, {"checkpoint": "expert"}),
        ),
        Scene(
            id="atari_training", experiment="reinforcement/atari_training",
            layout=("games games returns", "games games returns", "games games losses"),
            metrics=("decisions", "frames_seen", "decisions_per_second", "episodes", "episode_return", "entropy",
                     "shipped_frames", "shipped_hours"),
            knobs=("game", "start", "learning_rate", "clip", "entropy_weight", "copies", "rollout"),
            code=(PIXEL_OBJECTIVE, CLIP, ADVANTAGE),
        ),
    ),
)  # fmt: skip
