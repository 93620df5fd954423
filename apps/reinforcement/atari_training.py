"""PPO or DQN learns an Atari game, watched in all copies of it, beside the curve of the agent that is shipped."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.reinforcement import atari_agent, atari_dqn
from apps.reinforcement.atari_agent import CHECKPOINTS, PixelPPO, trained
from apps.reinforcement.atari_dqn import PixelDQN
from apps.reinforcement.atari_games import PLAYABLE, STICKY, Games, background
from shared.data.learning_curves import learning_curve
from shared.live.experiment import Bars, Curves, Experiment, Frame, Images, Plain, Series, View, knob

RECENT = 20  # games in the mean return
TIMED = 5.0  # seconds of playing and learning that the speed is measured over
NOBODY = "none"  # the checkpoint of an agent that begins with random weights


@dataclass(frozen=True)
class AtariTrainingConfig:
    """What is learned, from where, and how fast."""

    game: str = knob("pong", choices=PLAYABLE)
    algorithm: str = knob("ppo", choices=("ppo", "dqn"))
    checkpoint: str = knob(NOBODY, choices=(NOBODY, *CHECKPOINTS), scale="ordered")  # a shipped agent, PPO's
    learning_rate_factor: float = knob(1.0, low=0.01, high=10.0, scale="log", live=True)  # × what suits the algorithm
    clip: float = knob(0.1, low=0.01, high=1.0, scale="log", live=True)  # PPO's ε
    entropy_weight: float = knob(0.01, low=0.0, high=0.1, live=True)  # PPO
    copies: int = knob(16, low=2, high=32, scale="log")  # of the game, played side by side
    rollout: int = knob(128, low=16, high=256, scale="log")  # PPO: decisions of each between two updates
    replay_size: int = knob(30_000, low=1000, high=50_000, scale="log")  # DQN, in decisions of 7 KB each


def build(config: AtariTrainingConfig, actions: int) -> PixelPPO | PixelDQN:
    """The agent that the config asks for. Raises Plain for a checkpoint that cannot be gone on from."""
    if config.algorithm == "dqn":
        if config.checkpoint != NOBODY:
            raise Plain("checkpoint_of_ppo", checkpoint=config.checkpoint)
        settings = atari_dqn.Settings(copies=config.copies)
        return PixelDQN(actions, settings, config.replay_size, background(config.game))
    agent = PixelPPO(
        actions, atari_agent.Settings(copies=config.copies, rollout=config.rollout), background(config.game)
    )
    if config.checkpoint != NOBODY:
        try:
            shipped, _ = trained(config.game, config.checkpoint, actions)
        except Plain as problem:
            if problem.code == "atari_agent_missing":  # here there is no other player to choose instead
                raise Plain("checkpoint_missing", name=config.game) from None
            raise
        agent.network.load_state_dict(shipped.state_dict())
    return agent


class AtariTraining(Experiment[AtariTrainingConfig]):
    """PPO (Schulman et al. 2017) or DQN (Mnih et al. 2015) on the Arcade Learning Environment's native copies.

    The agents stand in atari_agent.py and atari_dqn.py, with what differs from the papers. A step is one decision in
    every copy, or one minibatch where one is due. The games cannot be kept, and DQN's memory is too large to be: a run
    that goes on from a checkpoint goes on with all it has learned, in new games.
    """

    id = "reinforcement/atari_training"

    def __init__(self, config: AtariTrainingConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.games = Games(config.game, config.copies, STICKY)
        self.agent = build(config, self.games.actions)
        self.tune()
        self.decisions = self.episodes = 0
        self.recent: list[float] = []  # what the last games earned
        self.returns = Series("episode_return", "episode_return_mean_20")
        self.losses = Series(*(("entropy", "value_loss") if config.algorithm == "ppo" else ("value_loss",)))
        self.begin()

    def begin(self) -> None:
        """New games, and a clock that has not run yet."""
        self.seconds = 0.0  # spent on learning and playing, not on waiting for its turn
        self.timed, self.rate = (0.0, self.decisions), 0.0  # what the speed is counted from, and the speed
        self.games.begin(self.seed + self.decisions)

    def tune(self) -> None:
        """Hand the live knobs to the agent."""
        factor = self.config.learning_rate_factor
        if isinstance(self.agent, PixelPPO):
            rate = factor * self.agent.settings.learning_rate
            self.agent.tune(rate, self.config.clip, self.config.entropy_weight)
        else:
            self.agent.tune(factor)

    def step(self) -> None:
        """One decision in every copy, or, while any are due, one minibatch."""
        start, learning = time.perf_counter(), bool(self.agent.pending)
        self.improve() if learning else self.play()
        self.seconds += time.perf_counter() - start
        self.measure(learned=learning and not self.agent.pending)

    def measure(self, learned: bool) -> None:
        """Decisions a second, over whole rounds of playing and learning; until the first is over, so far."""
        since, before = self.timed
        elapsed = self.seconds - since
        over = learned and elapsed > TIMED
        if over or not since:
            self.rate = (self.decisions - before) / max(1e-9, elapsed)
        if over:
            self.timed = (self.seconds, self.decisions)

    def play(self) -> None:
        """One decision in every copy."""
        played = self.games.step(self.agent.act(self.games.observations))
        self.agent.learn(played.rewards, played.ended, self.games.observations)
        self.decisions += self.config.copies
        for earned in self.games.over.values():
            self.episodes += 1
            self.recent = [*self.recent[1 - RECENT :], earned]
            mean = sum(self.recent) / len(self.recent)
            self.returns.record(self.decisions, episode_return=earned, episode_return_mean_20=mean)

    def improve(self) -> None:
        """One minibatch; how it went is noted after the last one that was due."""
        self.agent.improve()
        if self.agent.pending:
            return
        metrics = self.agent.metrics
        if isinstance(self.agent, PixelPPO):
            self.losses.record(self.decisions, entropy=metrics["entropy"], value_loss=metrics["value_loss"])
        else:
            self.losses.record(self.decisions, value_loss=metrics["loss"])

    def on_knob(self, name: str, value: Any) -> None:
        """They reach the agent at once."""
        super().on_knob(name, value)
        self.tune()

    def frame(self) -> Frame:
        """All games as the network sees them now, what it wants in the first of them, and what it has earned."""
        shipped = learning_curve(f"atari_{self.config.game}")
        metrics: dict[str, float] = {
            "decisions": self.decisions,
            "frames_seen": 4 * self.decisions,
            "updates": self.agent.updates,
            "episodes": self.episodes,
            "decisions_per_second": self.rate,
            "shipped_hours": float(shipped[-1, 1]) / 3600 if len(shipped) else 0.0,
            "shipped_frames": 4 * float(shipped[-1, 0]) if len(shipped) else 0.0,
            **self.agent.metrics,
        }
        if self.recent:
            metrics |= {"episode_return": self.recent[-1], "episode_return_mean_20": float(np.mean(self.recent))}
        curves = self.returns.curves()
        if len(shipped):
            curves["shipped_agent"] = np.ascontiguousarray(shipped[:, [0, 2]], np.float32)
        views: dict[str, View] = {
            "games": Images(np.ascontiguousarray(self.games.observations[:, -1])),
            "returns": Curves(curves),
            "actions": self.wishes(),
            "losses": Curves(self.losses.curves()),
        }
        return Frame(metrics, views)

    def wishes(self) -> Bars:
        """What the agent makes of the first game: how likely each action is, or, for DQN, what it is worth."""
        found = self.agent.opinion(self.games.observations[0]).astype(np.float32)
        return Bars(found, self.games.names, 0.0, 1.0 if self.config.algorithm == "ppo" else 0.0)

    def state_dict(self) -> dict[str, Any]:
        """What has been learned and noted; not the games, and no times."""
        apart = ("games", "seconds", "timed", "rate")
        return {name: value for name, value in super().state_dict().items() if name not in apart}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.begin()
