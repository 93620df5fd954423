"""Atari's games through the Arcade Learning Environment (Bellemare et al. 2013), whose wheel carries emulator and ROMs.

`Console` plays one game frame by frame, in colour, for a person to watch; `Games` plays many copies in native code, for
an agent to learn from. To an agent both look the same, but for single pixels that are rounded to the next grey.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared.live.experiment import Plain

try:
    import ale_py
    from ale_py.vector_env import AtariVectorEnv
except ImportError:  # no wheel for this system: the rest of the page works
    ale_py = None  # type: ignore[assignment]

STICKY = 0.25  # chance that the console repeats the last frame's action. Machado et al. 2018, section 3.1
FRAMES = 4  # that a decision lasts
SEEN = 4  # pictures that an agent looks at
SIDE = 84  # pixels of each

# Those of the wheel's 108 ROMs that the emulator lets one player play: not combat, joust, maze_craze, warlords.
PLAYABLE = tuple(
    """adventure air_raid alien amidar assault asterix asteroids atlantis atlantis2 backgammon bank_heist basic_math
    battle_zone beam_rider berzerk blackjack bowling boxing breakout carnival casino centipede chopper_command
    crazy_climber crossbow darkchambers defender demon_attack donkey_kong double_dunk earthworld elevator_action enduro
    entombed et fishing_derby flag_capture freeway frogger frostbite galaxian gopher gravitar hangman haunted_house hero
    human_cannonball ice_hockey jamesbond journey_escape kaboom kangaroo keystone_kapers king_kong klax koolaid krull
    kung_fu_master laser_gates lost_luggage mario_bros miniature_golf montezuma_revenge mr_do ms_pacman name_this_game
    othello pacman phoenix pitfall pitfall2 pong pooyan private_eye qbert riverraid road_runner robotank seaquest
    sir_lancelot skiing solaris space_invaders space_war star_gunner superman surround tennis tetris tic_tac_toe_3d
    time_pilot trondead turmoil tutankham up_n_down venture video_checkers video_chess video_cube video_pinball
    wizard_of_wor word_zapper yars_revenge zaxxon""".split()
)


def rom(game: str) -> Any:
    """Where the wheel keeps this game. Raises Plain where the emulator is not installed, or there is no such game."""
    if ale_py is None:
        raise Plain("atari_missing")
    if game not in PLAYABLE:
        raise Plain("game_unknown", name=game, allowed=", ".join(PLAYABLE))
    return ale_py.roms.get_rom_path(game)


def shares(length: int) -> Tensor:
    """(84, length): which pixels of a line, and how much of each, lie in each of 84 equal parts of it."""
    edges = np.linspace(0, length, SIDE + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(length)
    covered = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
    return torch.from_numpy(covered.clip(0) * SIDE / length).float()


class Console:
    """One game as it is played: 60 frames a second, 160 pixels across and 210 (in some games up to 250) down.

    frame:     one sixtieth of a second.
    look:      what an agent sees of the last two frames; some things are drawn in every second one only.
    """

    def __init__(self, game: str) -> None:
        path = rom(game)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)  # `frame` does that itself, so that it can be turned off
        self.ale.setInt("random_seed", 0)
        self.ale.loadROM(path)
        self.actions = self.ale.getMinimalActionSet()  # those that do something in this game
        height, width = self.ale.getScreenDims()
        self.rows, self.columns = shares(height), shares(width).T.contiguous()
        self.begin()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the actions: "noop", "fire", "up", "upright", …"""
        return tuple(action.name.lower() for action in self.actions)

    def begin(self) -> None:
        """A new game. It begins as every other one: chance comes from sticky actions and from who plays."""
        self.ale.reset_game()
        self.last = 0  # the action that the console took to be pressed in the last frame
        self.grey = [self.ale.getScreenGrayscale()] * 2
        self.kept: np.ndarray | None = None  # the picture of a game gone on with, until its first new frame
        self.seen = np.zeros((SEEN, SIDE, SIDE), np.uint8)
        self.look()

    def frame(self, action: int, sticky: float) -> float:
        """Press for one frame; with probability `sticky` the last press stays instead. Returns the reward."""
        if not np.random.random() < sticky:
            self.last = action
        reward = self.ale.act(self.actions[self.last])
        self.grey, self.kept = [self.grey[1], self.ale.getScreenGrayscale()], None
        return float(reward)

    def look(self) -> None:
        """The last two frames laid over each other, 84 x 84, are what is seen now; the rest moves back by one."""
        over = torch.from_numpy(np.maximum(*self.grey)).float()
        small = (self.rows @ over @ self.columns).round().byte().numpy()
        self.seen = np.concatenate([self.seen[1:], small[None]])

    @property
    def over(self) -> bool:
        return bool(self.ale.game_over())

    @property
    def lives(self) -> int:
        """Left to play with; 0 in games that have none."""
        return int(self.ale.lives())

    def picture(self) -> np.ndarray:
        """The last frame in colour, uint8 (H, 160, 3)."""
        return self.ale.getScreenRGB() if self.kept is None else self.kept

    def state_dict(self) -> dict[str, Any]:
        console = np.frombuffer(self.ale.cloneState(include_rng=True).serialize(), np.uint8).copy()
        pictures = {"grey": list(self.grey), "seen": self.seen.copy(), "kept": self.picture()}
        return {"console": console, "last": self.last, **pictures}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ale.restoreState(ale_py.ALEState(state["console"].tobytes()))
        self.last, self.grey, self.seen = state["last"], list(state["grey"]), state["seen"].copy()
        self.kept = state["kept"]  # the emulator draws only what it plays


def background(game: str) -> float:
    """The grey of most of a game's picture after its first second: 0 is black, 1 is white."""
    console = Console(game)
    for _ in range(60):
        console.frame(0, 0.0)
    console.look()
    return float(np.median(console.seen[-1])) / 255


@dataclass(frozen=True)
class Played:
    """What one decision of N copies brought: rewards float32 (N,); `ended`: a life or the game is over, bool (N,)."""

    rewards: np.ndarray
    ended: np.ndarray


class Games:
    """`copies` of one game, played in native code; each begins again as soon as it is over.

    A decision lasts four frames. What is seen: of the last four decisions, the last two frames of each laid over each
    other, grey, 84 x 84. Mnih et al. 2015, methods.
    """

    def __init__(self, game: str, copies: int, sticky: float = STICKY) -> None:
        rom(game)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.native = AtariVectorEnv(
            game, copies, num_threads=1, repeat_action_probability=sticky, autoreset_mode="SameStep",
            noop_max=0, use_fire_reset=False, life_loss_info=True, reward_clipping=False,
        )  # fmt: skip
        self.actions = int(self.native.single_action_space.n)
        self.names = tuple(str(action.name).lower() for action in self.native.ale.get_action_set())
        self.returns = np.zeros(copies)  # of the games under way
        self.over: dict[int, float] = {}  # the copies whose game ended with the last decision → what it earned

    def begin(self, seed: int) -> None:
        """New games; each copy's lot is drawn from a seed of its own, counted on from `seed`."""
        self.observations, info = self.native.reset(seed=seed)
        self.frames = info["episode_frame_number"]
        self.returns[:] = 0

    def step(self, actions: np.ndarray) -> Played:
        """One decision each, int64 (N,)."""
        self.observations, rewards, terminated, truncated, info = self.native.step(actions)
        self.returns += rewards
        over = info["episode_frame_number"] < self.frames  # else only a life was lost
        self.frames = info["episode_frame_number"]
        self.over = {int(copy): float(self.returns[copy]) for copy in np.flatnonzero(over)}
        self.returns[over] = 0
        return Played(rewards.astype(np.float32), terminated | truncated)
