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
    PIXEL_OBJECTIVE,
    PIXEL_TARGET,
    POLICY_GRADIENT,
    Q_LEARNING,
    REINFORCE,
    RETURN,
    SALIENCY,
    SARSA,
    TD_TARGET,
    TRACES,
    TWIN_TARGET,
    UPDATE,
    VARIANCE,
)  # fmt: skip
from shared.ui.scene import Scene, Topic

BACKUP = ("old_value", "step_reward", "discounted_next", "target", "td_error", "new_value")
EARNED = ("episodes", "greedy_return", "optimal_return")
GRID = ("grid", "own_grid")
LEARNED = ("episodes", "episode_return", "episode_return_mean_100")
LOOKS = ("checkpoint", "game", "saliency", "temperature", "sticky")
PROGRESS = ("decisions", "frames_seen", "decisions_per_second", "episode_return", "entropy", "epsilon", "remembered",
            "shipped_frames", "shipped_hours")  # fmt: skip
HEADLINES = ("score", "shipped_score", "episode_return", "value", "lives", "episodes", "decisions_per_second")
INSIDE = ("epsilon", "remembered", "clipped", "copy_age")  # each of some algorithms alone
LIVE = ("learning_rate_factor", "clip", "pace", "temperature")
SWITCHES = ("double", "duelling", "prioritised", "baseline", "synchronous", "squashed", "twin_critics",
            "delayed_actor", "smoothed_target", "batch_size", "replay_size")  # fmt: skip

REINFORCEMENT = Topic(
    folder=Path(__file__).parent,
    address="reinforcement-learning",
    icon=":material/explore:",
    scenes=(
        Scene(
            id="gridworld", experiment="reinforcement/gridworld",
            layout=("grid grid returns", "grid grid action_values"),
            metrics=(*BACKUP, "episode_return", "person_return", "optimal_return"),
            knobs=("algorithm", "grid", "learning_rate", "discount", "epsilon", "trace_decay", "initial_value",
                   "step_limit", "own_grid"),
            code=(UPDATE, Q_LEARNING, SARSA, EXPECTED_SARSA, TRACES),
        ),
        Scene(
            id="discount", experiment="reinforcement/gridworld",
            layout=("grid grid grid", "returns action_values visits"),
            metrics=("discounted_next", "target", "new_value", *EARNED),
            knobs=("discount", "algorithm", *GRID),
            preset={"grid": "two_goals", "algorithm": "value_iteration"},
            code=(RETURN, OPTIMALITY, EXPECTATION),
        ),
        Scene(
            id="exploration", experiment="reinforcement/gridworld",
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
            metrics=("env_steps", *LEARNED, "shown_return", *INSIDE),
            code=(POLICY_GRADIENT, CLIP, ADVANTAGE, TD_TARGET),
            knobs=("env", "algorithm", *LIVE, *SWITCHES, "evaluate_every"),
        ),
        Scene(
            id="snapshots", experiment="reinforcement/control", layout=("play past yours", "actions value returns"),
            metrics=("shown_return", "past_return", "past_steps", "past_evaluation", "person_return"),
            knobs=("snapshot", "env", "pace", "temperature", "start", "algorithm"), preset={"start": "shipped"},
            code=(POLICY_GRADIENT,),
        ),
        Scene(
            id="asynchronous", experiment="reinforcement/control", preset={"algorithm": "a3c"},
            layout=("inside inside play", "inside inside returns", "actions value states"), code=(N_STEP,),
            metrics=("env_steps", *LEARNED, "shown_return", "copy_age"),
            knobs=("synchronous", "env", "learning_rate_factor", "pace", "temperature"),
        ),
        Scene(
            id="race", experiment="reinforcement/race", spare=("third", "fourth"), code=(TD_TARGET, N_STEP),
            layout=("first second means", "third fourth means"),
            metrics=("env_steps", "first_mean", "second_mean", "third_mean", "fourth_mean"),
            knobs=("env", "first", "second", "third", "fourth", "learning_rate_factor", "temperature"),
        ),
        Scene(
            id="amounts", experiment="reinforcement/control", preset={"env": "Pendulum", "algorithm": "ddpg"},
            layout=("play play inside", "play play returns", "actions value states"), code=(ACTOR,),
            metrics=("env_steps", *LEARNED, "shown_return"), knobs=("env", "algorithm", *LIVE, *SWITCHES),
        ),
        Scene(
            id="robot", experiment="reinforcement/robot", code=(ACTOR, TWIN_TARGET),
            layout=("play play actions", "play play value", "earned returns inside"),
            metrics=("shown_return", "episodes", "contact_force", "hand_force"),
            knobs=("checkpoint", "robot", "playback", "hand", "gravity", "temperature"),
        ),
        Scene(
            id="robot_levels", experiment="reinforcement/robot", code=(ACTOR,), layout=("play play", "value returns"),
            panes=({"checkpoint": "clueless"}, {"checkpoint": "expert"}), together=("robot", "playback", "gravity"),
            knobs=("checkpoint", "robot", "playback", "gravity", "temperature"), told_by="checkpoint",
            metrics=("shown_return", "episodes"),
        ),
        Scene(
            id="robot_learning", experiment="reinforcement/robot", code=(TWIN_TARGET, ACTOR, CLIP),
            preset={"robot": "InvertedPendulum", "checkpoint": "none", "train": True},
            layout=("play play returns", "play play inside", "actions value states"),
            metrics=("env_steps", "updates", "episodes", "shown_return"),
            knobs=("algorithm", "robot", "train", "steps_a_picture", "learning_rate_factor", "checkpoint", "playback",
                   "hand", "evaluate_every"),
        ),
        Scene(
            id="non_differentiable", experiment="reinforcement/non_differentiable",
            layout=("answers answers scores", "answers answers variance", "answers answers gradients"),
            metrics=("score_through_metric", "score_surrogate", "score_reinforce", "reward", "expected_reward"),
            knobs=("task", "learning_rate", "baseline", "spread", "batch_size"),
            code=(FLAT, REINFORCE, VARIANCE),
        ),
        Scene(
            id="atari", experiment="reinforcement/atari", code=SALIENCY,
            layout=("screen screen network_sees", "screen screen actions", "screen screen value"), metrics=HEADLINES,
            knobs=("player", *LOOKS), remedies={"hand_back": {"player": "agent"}},
        ),
        Scene(
            id="atari_past", experiment="reinforcement/atari", metrics=HEADLINES[:4], told_by="checkpoint",
            layout=("screen screen", "screen screen", "value actions"), code=SALIENCY, knobs=LOOKS,
            panes=({"checkpoint": "clueless"}, {"checkpoint": "expert"}), together=("game", "sticky"),
            projected_metrics=HEADLINES[:3],
        ),
        Scene(
            id="atari_training", experiment="reinforcement/atari_training", metrics=PROGRESS,
            layout=("games games returns", "games games losses"), preset={"game": "breakout"},
            code=(PIXEL_OBJECTIVE, CLIP, ADVANTAGE, PIXEL_TARGET, TD_TARGET),
            knobs=("game", "algorithm", "checkpoint", "learning_rate_factor", "clip", "entropy_weight", "rollout",
                   "replay_size", "copies"),
        ),
    ),
)  # fmt: skip
