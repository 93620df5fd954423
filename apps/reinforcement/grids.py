"""A world of square cells: what stands where, where each move leads, and what it earns."""

from dataclasses import dataclass

import numpy as np

from shared.live.experiment import Plain

KINDS = ("empty", "wall", "start", "goal", "small_goal", "cliff", "reward", "penalty")
SIGNS = ".#SGgC+-"  # one a kind, as grids are written
EMPTY, WALL, START, GOAL, SMALL_GOAL, CLIFF, REWARD, PENALTY = range(len(KINDS))
ACTIONS = ("up", "right", "down", "left")
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # rows, columns
ROWS, COLUMNS = (1, 12), (2, 16)  # the smallest and the largest grid
OWN_LENGTH = 300  # characters of a grid of one's own, its rules and its row ends included


@dataclass(frozen=True)
class Preset:
    """A grid with its rules.

    rows:    one sign a cell (see SIGNS), as many in each row.
    rewards: for each kind but a wall, the reward of a move that ends in such a cell, in the order of KINDS.
    wind:    one number a column: so many cells upwards a move is blown that begins there; () is none.
    """

    rows: tuple[str, ...]
    rewards: tuple[float, ...]
    wind: tuple[int, ...] = ()


def rewards(step: float, goal: float, cliff: float, small_goal: float, bonus: float) -> tuple[float, ...]:
    """The rewards of a Preset: `bonus` is a reward cell's, and what a penalty cell takes; a wall's is never paid."""
    return (step, 0.0, step, goal, small_goal, cliff, bonus, -bonus)


PRESETS = {
    # Sutton & Barto 2018, example 6.6: each step costs 1; the cliff costs 100 and sends back to the start.
    "cliff": Preset(
        ("............", "............", "............", "SCCCCCCCCCCG"), rewards(-1.0, -1.0, -100.0, -1.0, 10.0)
    ),
    # Sutton & Barto 2018, example 8.1: nothing counts but the goal.
    "maze": Preset(
        (".......#G", "..#....#.", "S.#....#.", "..#......", ".....#...", "........."),
        rewards(0.0, 1.0, -1.0, 0.1, 0.1),
    ),
    # Sutton & Barto 2018, example 6.5: each step costs 1, and the wind blows upwards.
    "windy": Preset(
        ("..........", "..........", "..........", "S......G..", "..........", "..........", ".........."),
        rewards(-1.0, -1.0, -100.0, -1.0, 10.0),
        (0, 0, 0, 1, 1, 1, 2, 2, 1, 0),
    ),
    # Karpathy's REINFORCEjs (2015), gridworld_td.html. There a cell's reward is paid on leaving it, here on entering.
    "reinforcejs": Preset(
        (
            "S.........", "..........", ".####.###.", "...-#.....", "....#--...",
            "....#G-.-.", "....#...-.", "...-#--...", "..........", "..........",
        ),
        rewards(-0.01, 1.0, -1.0, 0.1, 1.0),
    ),
    # After the DiscountGrid of Berkeley's CS 188: a small reward that is near, a large one that is far.
    "two_goals": Preset(
        ("............", "............", "g..S.......G", "............", "............"),
        rewards(0.0, 10.0, -10.0, 1.0, 1.0),
    ),
}  # fmt: skip
# Where a person begins who has drawn nothing yet.
BLANK = "cliff:............/............/S..........G/............/............"


class World:
    """A deterministic world of N = H · W cells, counted row by row from the top left.

    kinds:      uint8 (H, W), places in KINDS.
    next_state: [N][4], the cell that each action leads to.
    reward:     [N][4], what it earns.
    terminal:   [N], True for goals: an episode ends there.
    reachable:  [N], True for cells in which the agent may ever have to choose: not for walls, cliffs and goals.
    dead_ends:  how many of these have no way to a goal.
    next_states, rewards: next_state and reward as arrays (N, 4).

    A wall, a goal and a cell out of reach lead to themselves and earn nothing, so that their value is 0.
    """

    def __init__(self, preset: Preset) -> None:
        """Raises Plain for a grid that no agent could solve; see `check`."""
        self.preset = preset
        check(preset.rows)
        self.kinds = np.array([[SIGNS.index(sign) for sign in row] for row in preset.rows], dtype=np.uint8)
        self.height, self.width = self.kinds.shape
        self.wind = preset.wind or (0,) * self.width
        flat = self.kinds.flatten().tolist()
        self.start = flat.index(START)
        self.terminal = [kind in (GOAL, SMALL_GOAL) for kind in flat]
        moves = [[self.move(cell, action, flat) for action in range(4)] for cell in range(len(flat))]
        self.reachable = self.flood(moves)
        self.next_state = [
            [to for to, _ in row] if self.reachable[cell] else [cell] * 4 for cell, row in enumerate(moves)
        ]
        self.reward = [[r for _, r in row] if self.reachable[cell] else [0.0] * 4 for cell, row in enumerate(moves)]
        ways = self.ways_out()
        if not ways[self.start]:
            raise Plain("grid_closed")
        self.dead_ends = sum(inside and not out for inside, out in zip(self.reachable, ways, strict=True))
        self.next_states, self.rewards = np.array(self.next_state), np.array(self.reward)  # (N, 4), for whole sweeps

    def move(self, cell: int, action: int, flat: list[int]) -> tuple[int, float]:
        """(next cell, reward): one cell along, and as far up as the wind of the old column blows; walls stop both."""
        row, column = divmod(cell, self.width)
        down, right = MOVES[action]
        down -= self.wind[column]
        if 0 <= column + right < self.width and flat[row * self.width + column + right] != WALL:
            column += right
        for _ in range(abs(down)):
            onward = row + (1 if down > 0 else -1)
            if not 0 <= onward < self.height or flat[onward * self.width + column] == WALL:
                break
            row = onward
        landed = flat[row * self.width + column]
        return (self.start if landed == CLIFF else row * self.width + column), self.preset.rewards[landed]

    def flood(self, moves: list[list[tuple[int, float]]]) -> list[bool]:
        """True for every cell that is no goal and that some way from the start leads to."""
        reachable, border = [False] * len(moves), [self.start]
        while border:
            cell = border.pop()
            if not reachable[cell] and not self.terminal[cell]:
                reachable[cell] = True
                border += [to for to, _ in moves[cell]]
        return reachable

    def ways_out(self) -> list[bool]:
        """True for every cell from which some way leads to a goal."""
        out = list(self.terminal)
        while True:
            more = [there or any(out[to] for to in self.next_state[cell]) for cell, there in enumerate(out)]
            if more == out:
                return out
            out = more


def check(rows: tuple[str, ...]) -> None:
    """Raises Plain for rows that make no grid, and for one without a start or a goal."""
    widths = {len(row) for row in rows}
    if not ROWS[0] <= len(rows) <= ROWS[1] or len(widths) != 1 or not COLUMNS[0] <= max(widths) <= COLUMNS[1]:
        raise Plain("grid_shape", rows=ROWS[1], low=COLUMNS[0], high=COLUMNS[1])
    signs = "".join(rows)
    if strange := set(signs) - set(SIGNS):
        raise Plain("grid_sign", sign=min(strange), allowed=" ".join(SIGNS))
    if signs.count("S") != 1:
        raise Plain("grid_start", count=signs.count("S"))
    if not set(signs) & {"G", "g"}:
        raise Plain("grid_goal")


def read(name: str, own: str) -> World:
    """The world of a preset's name; for "own" that of a text, "rules:row/row/…", the rules being a preset's name."""
    if name != "own":
        return World(PRESETS[name])
    rules, colon, text = (own or BLANK).strip().partition(":")
    if not colon or rules not in PRESETS:
        raise Plain("grid_rules", allowed=", ".join(PRESETS))
    rows = tuple(text.split("/"))
    wind = PRESETS[rules].wind
    return World(Preset(rows, PRESETS[rules].rewards, (wind + (0,) * COLUMNS[1])[: len(rows[0])] if wind else ()))


def painted(name: str, own: str, cell: int, brush: str) -> str:
    """A grid as text (see `read`) after one cell has become of the kind `brush`; a start leaves its old place.

    Raises Plain where what is left could not be solved.
    """
    rules, rows = name, PRESETS[name].rows if name != "own" else ()
    if name == "own":
        rules, _, text = (own or BLANK).strip().partition(":")
        rows = tuple(text.split("/"))
    width = len(rows[0])
    signs = list("".join(rows))
    if brush == "start":
        signs[signs.index("S")] = "."
    signs[cell] = SIGNS[KINDS.index(brush)]
    text = f"{rules}:" + "/".join("".join(signs[i : i + width]) for i in range(0, len(signs), width))
    read("own", text)  # raises
    return text
