"""PPO learns an Atari game, watched in all the games it learns from, beside the curve of the agent that is shipped."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.reinforcement.atari_agent import CHECKPOINTS, PixelPPO, Settings, trained
from apps.reinforcement.atari_games import PLAYABLE, STICKY, Games
from apps.reinforcement.networks import softmax
from shared.data.learning_curves import learning_curve
from shared.live.experiment import Bars, Curves, Experiment, Frame, Images, Series, View, knob

RECENT = 20  # games in the mean return


@dataclass(frozen=True)
class AtariTrainingConfig:
    """What is learned, from where, and how fast."""

    game: str = knob("pong", choices=PLAYABLE)
    checkpoint: str = knob("none", choices=("none", *CHECKPOINTS))  # a shipped agent to go on from
    learning_rate: float = knob(5e-4, low=1e-5, high=5e-3, scale="log", live=True)
    clip: float = knob(0.1, low=0.01, high=1.0, scale="log", live=True)  # PPO's ε
    entropy_weight: float = knob(0.01, low=0.0, high=0.1, live=True)
    copies: int = knob(16, low=2, high=32, scale="log")  # of the game, played side by side
    rollout: int = knob(128, low=16, high=256, scale="log")  # decisions of each between two updates


class AtariTraining(Experiment[AtariTrainingConfig]):
    """PPO (Schulman et al. 2017) on the Arcade Learning Environment's native copies; see atari_agent.py.

    A step is one decision in every copy, or, when a rollout is full, one minibatch. The games cannot be kept:
    a run that goes on from a checkpoint goes on with all it has learned, in new games.
    """

    id = "reinforcement/atari_training"

    def __init__(self, config: AtariTrainingConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.games = Games(config.game, config.copies, STICKY)
        self.agent = PixelPPO(self.games.actions, Settings(copies=config.copies, rollout=config.rollout))
        if config.checkpoint != "none":
            shipped, _ = trained(config.game, config.checkpoint, self.games.actions)
            self.agent.network.load_state_dict(shipped.state_dict())
        self.tune()
        self.decisions = self.episodes = 0
        self.seconds = 0.0  # spent on learning and playing, not on waiting for its turn
        self.recent: list[float] = []  # what the last games earned
        self.returns = Series("episode_return", "episode_return_mean_20")
        self.losses = Series("entropy", "value_loss")
        self.games.begin(seed)

    def tune(self) -> None:
        self.agent.tune(self.config.learning_rate, self.config.clip, self.config.entropy_weight)

    def step(self) -> None:
        """Play on until a rollout is full; then one minibatch after another."""
        start = time.perf_counter()
        self.improve() if self.agent.pending else self.play()
        self.seconds += time.perf_counter() - start

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
        """One minibatch; how it went is noted after the last one of a rollout."""
        self.agent.improve()
        if not self.agent.pending:
            metrics = self.agent.metrics
            self.losses.record(self.decisions, entropy=metrics["entropy"], value_loss=metrics["value_loss"])

    def on_knob(self, name: str, value: Any) -> None:
        """Rate, clip and entropy reach the agent at once."""
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
            "decisions_per_second": self.decisions / self.seconds if self.seconds else 0.0,
            "shipped_hours": float(shipped[-1, 1]) / 3600 if len(shipped) else 0.0,
            "shipped_frames": 4 * float(shipped[-1, 0]) if len(shipped) else 0.0,
            **self.agent.metrics,
        }
        if self.recent:
            metrics |= {"episode_return": self.recent[-1], "episode_return_mean_20": float(np.mean(self.recent))}
        _, logits, _ = self.agent.look(self.games.observations[:1])
        curves = self.returns.curves()
        if len(shipped):
            curves["shipped_agent"] = np.ascontiguousarray(shipped[:, [0, 2]], np.float32)
        views: dict[str, View] = {
            "games": Images(np.ascontiguousarray(self.games.observations[:, -1])),
            "returns": Curves(curves),
            "actions": Bars(softmax(logits)[0].astype(np.float32), self.games.names, 0.0, 1.0),
            "losses": Curves(self.losses.curves()),
        }
        return Frame(metrics, views)

    def state_dict(self) -> dict[str, Any]:
        """What has been learned and noted; not the games."""
        return {name: value for name, value in super().state_dict().items() if name not in ("games", "seconds")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.games.begin(self.seed + self.decisions)
