"""A trained network plays Atari, frame by frame, and shows what it sees, wants and expects; or a person plays."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from apps.reinforcement import saliency
from apps.reinforcement.atari_agent import CHECKPOINTS, TEMPERATURE, PixelNetwork, choose, patches, patches_of, trained
from apps.reinforcement.atari_games import PLAYABLE, STICKY, Console
from apps.reinforcement.networks import softmax
from shared.live.experiment import Bars, Curves, Experiment, Frame, Images, Plain, Series, View, knob

PLAYERS = ("agent", "human", "random")
SALIENCIES = {"gradient": saliency.gradient, "perturbation": saliency.perturbation}
# The keys that a person holds, as a sum, → the name of the action in the emulator.
KEYS = {"up": 1, "down": 2, "left": 4, "right": 8, "fire": 16}
NAMES = {
    0: "noop",
    1: "up",
    2: "down",
    4: "left",
    8: "right",
    5: "upleft",
    9: "upright",
    6: "downleft",
    10: "downright",
}
# In Pong the paddle goes up by the action that is called right and down by the one called left.
TURNED = {"pong": {"up": "right", "down": "left"}}
REWARDS = 200  # marks kept of a game


@dataclass(frozen=True)
class AtariConfig:
    """Who plays what, and how."""

    game: str = knob("pong", choices=PLAYABLE)
    player: str = knob("agent", choices=PLAYERS, live=True)
    checkpoint: str = knob("expert", choices=CHECKPOINTS, scale="ordered", live=True)  # how much the agent had learned
    sticky: bool = knob(True, live=True)  # the console repeats the last frame's action with a chance of 0.25
    temperature: float = knob(TEMPERATURE, low=0.0, high=3.0, live=True)  # of the policy; 0 = always the likeliest
    saliency: str = knob("off", choices=("off", *SALIENCIES), live=True)


def action_for(held: set[str], names: tuple[str, ...]) -> int:
    """The game's own action that comes nearest to the keys held: all of them, or without fire, or one of them."""
    ways = sum(KEYS[key] for key in held if key != "fire")
    fire = "fire" if "fire" in held else ""
    wishes = [
        *([NAMES[ways]] if ways in NAMES else []),
        *(NAMES[KEYS[key]] for key in KEYS if key in held and key != "fire"),
    ]
    for wish in wishes:
        for name in (fire if wish == "noop" and fire else wish + fire, wish):
            if name in names:
                return names.index(name)
    return names.index(fire) if fire in names else 0


class Atari(Experiment[AtariConfig]):
    """The Arcade Learning Environment (Bellemare et al. 2013), with sticky actions (Machado et al. 2018).

    A step is a decision of the agent; its four phases are the frames that it lasts. The agents were trained with PPO
    (atari_agent.py). Differences from Mnih et al. 2015: no idle frames at a game's start, and a game is a whole one,
    not a life.
    """

    id = "reinforcement/atari"
    phases = ("frame_1", "frame_2", "frame_3", "frame_4")
    speeds = ("slow", "quarter", "game", "max")
    speed = "game"

    def __init__(self, config: AtariConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.console = Console(config.game)
        self.load()
        self.held: set[str] = set()  # keys under a person's fingers
        self.episodes, self.episode_return, self.score = 0, 0.0, 0.0
        self.timed, self.rate = (time.perf_counter(), 0), 0.0
        self.shown: tuple[Any, np.ndarray] | None = None  # what the last saliency was for, and the saliency
        self.earned = 0.0  # by the decision under way
        self.looked = self.console.seen  # what the last decision was taken upon…
        self.opinion = self.ask()  # …and what the network makes of it
        self.forget_game()

    def load(self) -> None:
        """Take the chosen agent; nobody where none is shipped for this game. Raises Plain where it is asked to play."""
        self.network: PixelNetwork | None = None
        self.shipped_score = 0.0
        try:
            self.network, about = trained(self.config.game, self.config.checkpoint, len(self.console.actions))
            self.shipped_score = float(about["score"])
        except Plain as problem:
            if problem.code != "atari_agent_missing" or self.config.player == "agent":
                raise

    def forget_game(self) -> None:
        self.score, self.age, self.action = 0.0, 0, 0
        self.values = Series("value")
        self.rewards: list[list[float]] = []  # decision and reward

    # -- one decision, and the four frames that it lasts ---------------------------------------------------

    def frame_1(self) -> None:
        """Look, decide, and press."""
        if self.console.over:
            self.console.begin()
            self.forget_game()
        self.earned = 0.0
        self.looked, self.opinion = self.console.seen, self.ask()
        if self.opinion is not None:
            self.values.record(self.age, value=self.opinion[1])
        self.action = self.decide()
        self.press()

    def frame_2(self) -> None:
        """The same action still."""
        self.press()

    frame_3 = frame_2

    def frame_4(self) -> None:
        """The last frame of the decision: what came of it."""
        self.press()
        self.console.look()
        self.age += 1
        self.score += self.earned
        if self.earned:
            self.rewards = [*self.rewards[1 - REWARDS :], [self.age, self.earned]]
        if self.console.over:
            self.episodes += 1
            self.episode_return = self.score
        now, since = time.perf_counter(), self.step_count + 1 - self.timed[1]
        if now - self.timed[0] > 1 or not self.rate:
            self.rate, self.timed = since / max(1e-9, now - self.timed[0]), (now, self.step_count + 1)

    @torch.no_grad()
    def ask(self) -> tuple[np.ndarray, float] | None:
        """π(· | s), (actions,), at temperature 1, and V(s), by the network, whoever plays."""
        if self.network is None:
            return None
        logits, value = self.network(patches(self.console.seen[None]))
        self.logits = logits[0].numpy()
        return softmax(self.logits[None])[0], float(value)

    def decide(self) -> int:
        """The action of the agent, or of chance. A person may change their mind in every frame."""
        if self.config.player == "random":
            return int(np.random.randint(len(self.console.actions)))
        if self.config.player == "human":
            return action_for(self.held, self.console.names)
        return int(choose(self.logits[None], self.config.temperature)[0])

    def press(self) -> None:
        """One frame of the console."""
        if self.config.player == "human":
            self.action = action_for(self.held, self.console.names)
        if not self.console.over:
            self.earned += self.console.frame(self.action, STICKY if self.config.sticky else 0.0)

    # -- a person ------------------------------------------------------------------------------------------

    def on_knob(self, name: str, value: Any) -> None:
        """Another checkpoint plays on at once, in mid-game. Raises Plain for an agent that is not there."""
        before = self.config
        super().on_knob(name, value)
        if name in ("checkpoint", "player"):
            try:
                self.load()
            except Plain:
                self.config = before
                raise
        if name == "player":
            self.held = set()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Keys are held or let go; whoever presses one takes the game over."""
        held = event.get("held")
        if event.get("kind") != "hold" or not isinstance(held, list) or not all(key in KEYS for key in held):
            super().on_event(event)  # raises
        turned = TURNED.get(self.config.game, {})
        self.held = {turned.get(key, key) for key in held or ()}
        if self.held and self.config.player != "human":
            self.config = replace(self.config, player="human")

    # -- what there is to see ------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The screen, what the network makes of it, and how the game goes."""
        console, names = self.console, self.console.names
        metrics: dict[str, float] = {
            "score": self.score + (self.earned if self.phase_index else 0.0),
            "shipped_score": self.shipped_score,
            "lives": console.lives,
            "episodes": self.episodes,
            "decisions": self.step_count,
            "game_seconds": (4 * self.age + self.phase_index) / 60,
            "decisions_per_second": self.rate,
        }
        if self.episodes:
            metrics["episode_return"] = self.episode_return
        likely, metrics["value"] = self.opinion or (np.zeros(len(names)), 0.0)
        views: dict[str, View] = {
            "screen": self.screen(),
            "network_sees": Images(self.looked, 4, ("three_ago", "two_ago", "one_ago", "now")),
            "actions": Bars(likely.astype(np.float32), names, 0.0, 1.0),
            "value": Curves(self.values.curves() | {"rewards": self.reward_marks()}),
        }
        return Frame(metrics, views)

    def screen(self) -> Images:
        """The picture in colour; what decided the action on top, where that is asked for, and named."""
        picture, way = self.console.picture(), self.config.saliency
        keys = tuple(KEYS)
        if way == "off" or self.network is None:
            return Images(picture[None], keys=keys)
        asked = (way, self.config.checkpoint, self.step_count, self.age)
        if self.shown is None or self.shown[0] != asked:
            self.shown = asked, SALIENCIES[way](self.policy, self.looked)
        return Images(laid_over(picture, self.shown[1])[None], labels=(f"saliency_{way}",), keys=keys)

    def policy(self, pictures: Tensor) -> Tensor:
        """Logits of pictures as a saliency changes them: (N, 4, 84, 84), 0 … 255 → (N, actions)."""
        assert self.network is not None
        return self.network(patches_of(pictures))[0]

    def reward_marks(self) -> np.ndarray:
        """An upright stroke for each reward of this game, float32 (T, 2)."""
        strokes = [[at, height] for at, reward in self.rewards for height in (0.0, reward, 0.0)]
        return np.array(strokes, np.float32).reshape(-1, 2)

    def state_dict(self) -> dict[str, Any]:
        """The game, to the last bit; not the network, which is a shipped one, and no keys, which nobody holds now."""
        state = super().state_dict()
        return {name: value for name, value in state.items() if name not in ("network", "timed", "rate", "shown")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.timed = (time.perf_counter(), self.step_count)


def laid_over(picture: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The more salient, the more orange; the rest a little darker. uint8 (H, W, 3) and (84, 84) → uint8 (H, W, 3)."""
    scaled = torch.from_numpy(found / max(1e-12, float(found.max())))[None, None]
    share = F.interpolate(scaled, picture.shape[:2], mode="bilinear", align_corners=False)[0, 0, :, :, None].numpy()
    orange = np.array([255, 140, 0], np.float32)
    return (0.65 * picture * (1 - 0.8 * share) + 0.8 * share * orange).astype(np.uint8)
