"""An agent walks a grid, is paid for what it does, and learns from that alone which way to go.

The phases are one step of the loop; the formulas that the algorithms differ in stand in tabular.py, the worlds in
grids.py.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from apps.reinforcement.grids import ACTIONS, KINDS, OWN_LENGTH, PRESETS, painted, read
from apps.reinforcement.tabular import (
    bellman_expectation,
    bellman_optimality,
    expected_sarsa_target,
    expected_value,
    fade_and_learn,
    first_visits,
    greedy,
    greedy_policy,
    look_ahead,
    optimal_values,
    q_learning_target,
    returns,
    sarsa_target,
)
from shared.live.experiment import Bars, Curves, Experiment, Frame, Grid, Heatmap, Plain, Series, View, knob

PLANNING = ("value_iteration", "policy_iteration")  # they know the world; the others have to try it
LEARNING = ("monte_carlo", "sarsa", "expected_sarsa", "q_learning", "td_lambda")
CLOSE, MOST = 1e-6, 50  # a policy is improved once no value moves by more in a sweep, or after so many sweeps
RECENT = 50  # episodes in the mean return
TRAIL = 200  # cells of the agent's way, on the screen


@dataclass(frozen=True)
class GridworldConfig:
    """The settings; the default finds the shortest way through the maze within some thirty episodes."""

    grid: str = knob("maze", choices=(*PRESETS, "own"))
    own_grid: str = knob("", length=OWN_LENGTH)  # "rules:row/row/…"; painting writes it
    algorithm: str = knob("q_learning", choices=(*PLANNING, *LEARNING))
    learning_rate: float = knob(0.5, low=0.01, high=1.0, live=True)  # α
    discount: float = knob(0.95, low=0.0, high=1.0, live=True)  # γ
    epsilon: float = knob(0.1, low=0.0, high=1.0, live=True)  # share of moves made at random
    trace_decay: float = knob(0.9, low=0.0, high=1.0, live=True)  # λ
    initial_value: float = knob(0.0, low=-20.0, high=20.0)  # of every Q before the first step; planning begins at 0
    step_limit: int = knob(1000, low=10, high=10_000, scale="log")  # an episode longer than this is cut off


class Gridworld(Experiment[GridworldConfig]):
    """A tabular agent in a deterministic grid. Sutton & Barto 2018, chapters 4 to 6 and 12.

    Differences from the book: an episode is cut off at `step_limit`, and what would have followed is then estimated
    from Q as in any other step (truncation is not termination; Pardo et al. 2018); Monte-Carlo moves by a constant α
    where the book averages; the traces of TD(λ), which is Sarsa(λ), are replacing ones (Singh & Sutton 1996); sweeps
    are synchronous and leave out cells that no way from the start leads to.
    """

    id = "reinforcement/gridworld"
    phases = ("act", "observe", "target", "update")

    def __init__(self, config: GridworldConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.world = read(config.grid, config.own_grid)
        cells = len(self.world.terminal)
        self.q = [[config.initial_value * inside] * 4 for inside in self.world.reachable]
        self.values, self.policy = np.zeros(cells), np.full((cells, 4), 0.25)  # of planning
        self.sweeps = 0  # since the policy was improved
        self.visits = [0] * cells
        self.episodes = 0
        self.recent: list[float] = []  # what the last episodes earned
        self.series = Series("episode_return", "episode_return_mean")
        self.person_finished: float | None = None
        self.begin_episode()
        self.seat_person()
        self.seek_optimum()

    def seek_optimum(self) -> None:
        """What the best policy earns from the start, None where that has no end."""
        values = optimal_values(self.world, self.config.discount)
        self.optimal_return = None if values is None else float(values[self.world.start])

    def begin_episode(self) -> None:
        """Back to the start."""
        self.state, self.next_state, self.next_action = self.world.start, self.world.start, -1  # -1: none chosen yet
        self.trail, self.actions, self.rewards = [self.state], list[int](), list[float]()
        self.reward = self.old_value = self.td_target = self.new_value = self.episode_return = 0.0
        self.weight = 1.0  # γᵗ
        self.over = self.learned = False
        self.backup = list[int]()  # the last update's S, A, S'
        self.touched = list[int]()  # cells with a trace
        self.traces = [[0.0] * 4 for _ in self.q]

    # -- one step, in four phases -------------------------------------------------------------------------

    def act(self) -> None:
        """The agent, in state S, chooses an action A."""
        if self.over:
            self.begin_episode()
        if self.config.algorithm in PLANNING:
            self.q = look_ahead(self.world, self.values, self.config.discount).tolist()
        self.action = self.next_action if self.next_action >= 0 else self.choose(self.state)
        self.old_value = self.value(self.state, self.action)

    def value(self, state: int, action: int) -> float:
        """What an update will change: V(S) in planning, else Q(S, A)."""
        return float(self.values[state]) if self.config.algorithm in PLANNING else self.q[state][action]

    def choose(self, state: int) -> int:
        """As the behaviour says: by π in policy iteration, the best in value iteration, else ε-greedily."""
        if self.config.algorithm == "policy_iteration":
            return random.choices(range(4), self.policy[state])[0]
        if self.config.algorithm != "value_iteration" and random.random() < self.config.epsilon:
            return int(4 * random.random())
        return greedy(self.q[state])

    def observe(self) -> None:
        """The world answers with a reward R and a next state S'."""
        self.next_state = self.world.next_state[self.state][self.action]
        self.reward = self.world.reward[self.state][self.action]
        self.episode_return += self.weight * self.reward
        self.weight *= self.config.discount
        self.visits[self.next_state] += 1
        self.trail.append(self.next_state)
        self.actions.append(self.action)
        self.rewards.append(self.reward)
        self.over = self.world.terminal[self.next_state] or len(self.rewards) >= self.config.step_limit

    def target(self) -> None:
        """What the old value should have been, judged by R and S'. Nothing is worth anything after a goal: Q is 0."""
        c, following = self.config, self.q[self.next_state]
        self.backup, self.learned = [self.state, self.action, self.next_state], True
        if c.algorithm in ("sarsa", "td_lambda"):
            self.next_action = self.choose(self.next_state)
            self.td_target = sarsa_target(self.reward, c.discount, following, self.next_action)
        elif c.algorithm == "q_learning":
            self.td_target = q_learning_target(self.reward, c.discount, following)
        elif c.algorithm == "expected_sarsa":
            self.td_target = expected_sarsa_target(self.reward, c.discount, following, c.epsilon)
        elif c.algorithm == "monte_carlo":
            self.look_back()
        else:
            self.sweep()

    def look_back(self) -> None:
        """Monte-Carlo has a target once the episode is over: the return that followed. Shown is its first step's."""
        self.learned = self.over
        if self.over:
            tail = expected_value(self.q[self.next_state], self.config.epsilon)  # 0 at a goal
            self.targets = returns(self.rewards, self.config.discount, tail)
            state, action = self.trail[0], self.actions[0]
            self.backup = [state, action, self.trail[1]]
            self.old_value, self.reward, self.td_target = self.q[state][action], self.rewards[0], self.targets[0]

    def sweep(self) -> None:
        """Planning has a target for every cell; shown is the agent's. Raises Plain where they have no end."""
        ahead, cell = np.array(self.q), self.state
        if self.config.algorithm == "value_iteration":
            self.better = bellman_optimality(ahead)
        else:
            self.better = bellman_expectation(ahead, self.policy)
            self.reward = float(self.policy[cell] @ self.world.rewards[cell])  # on average over π
        self.td_target = float(self.better[cell])
        # A way without a loop has at most N steps: undiscounted values beyond what those earn come from a loop.
        most = len(ahead) * np.abs(self.world.rewards).max()
        if self.config.discount == 1 and (self.world.dead_ends or self.better.max() > most):
            raise Plain("values_endless", step=self.step_count)

    def update(self) -> None:
        """The old value moves towards the target, the agent to S'."""
        c, (state, action) = self.config, (self.state, self.action)
        if c.algorithm in PLANNING:
            self.new_value = self.td_target
            self.improve()
        elif c.algorithm == "monte_carlo":
            if self.over:
                for time in first_visits(self.trail, self.actions):
                    values = self.q[self.trail[time]]
                    values[self.actions[time]] += c.learning_rate * (self.targets[time] - values[self.actions[time]])
                self.new_value = self.q[self.trail[0]][self.actions[0]]
        elif c.algorithm == "td_lambda":
            if state not in self.touched:
                self.touched.append(state)
            self.traces[state][action] = 1.0  # replacing: 1 however often the pair was met
            error, fade = self.td_target - self.old_value, c.discount * c.trace_decay
            fade_and_learn(self.q, self.traces, self.touched, c.learning_rate, error, fade)
            self.new_value = self.q[state][action]
        else:  # Sutton & Barto 2018, eq. 6.7 to 6.9: Q(S, A) ← Q(S, A) + α [target - Q(S, A)]
            self.new_value = self.old_value + c.learning_rate * (self.td_target - self.old_value)
            self.q[state][action] = self.new_value
        self.state = self.next_state
        if self.over:
            self.end_episode()

    def improve(self) -> None:
        """The sweep's values hold; in policy iteration the policy becomes greedy in them once they stand still.

        It does not wait for more than MOST sweeps: modified policy iteration, Puterman & Shin 1978.
        """
        change, self.values = np.abs(self.better - self.values).max(), self.better
        self.sweeps += 1
        if self.config.algorithm == "policy_iteration" and (change < CLOSE or self.sweeps >= MOST):
            self.policy, self.sweeps = greedy_policy(look_ahead(self.world, self.values, self.config.discount)), 0

    def end_episode(self) -> None:
        """Remember what the episode earned, discounted from its start."""
        self.episodes += 1
        self.recent = [*self.recent, self.episode_return][-RECENT:]
        mean = sum(self.recent) / len(self.recent)
        self.series.record(self.episodes, episode_return=self.episode_return, episode_return_mean=mean)

    # -- what there is to see ------------------------------------------------------------------------------

    def action_values(self) -> np.ndarray:
        """Q, (N, 4); in planning, one look ahead from V."""
        planning = self.config.algorithm in PLANNING
        return look_ahead(self.world, self.values, self.config.discount) if planning else np.array(self.q)

    def frame(self) -> Frame:
        """The world with what is known of it; of the last backup, as many numbers as the phase has brought forth."""
        q = self.action_values()
        metrics = {
            "episodes": self.episodes,
            "episode_return": self.episode_return,
            "person_return": self.person_return,
            "greedy_return": self.greedy_return(q),
            "old_value": self.old_value,
        }
        if self.optimal_return is not None:
            metrics["optimal_return"] = self.optimal_return
        if self.phase_index != 1 and self.rewards:
            metrics["step_reward"] = self.reward
        if self.phase_index in (0, 3) and self.learned:
            metrics["discounted_next"] = self.td_target - self.reward
            metrics["target"], metrics["td_error"] = self.td_target, self.td_target - self.old_value
        if self.phase_index == 0 and self.learned:
            metrics["new_value"] = self.new_value
        shape = self.world.kinds.shape
        visits = np.array(self.visits, np.float32).reshape(shape)
        views: dict[str, View] = {
            "grid": self.grid(q),
            "returns": self.return_curves(),
            "action_values": Bars(q[self.state].astype(np.float32), ACTIONS),
            "visits": Heatmap(visits, 0.0, max(1.0, float(visits.max()))),
        }
        return Frame(metrics, views)

    def grid(self, q: np.ndarray) -> Grid:
        """The world from above."""
        shape, inside = self.world.kinds.shape, np.array(self.world.reachable)
        values = self.values if self.config.algorithm in PLANNING else q.max(axis=1)
        policy = self.policy if self.config.algorithm == "policy_iteration" else greedy_policy(q)
        low, high = float(values[inside].min()), float(values[inside].max())
        if low < 0 < high:  # the middle of two-sided colours is 0
            low, high = -max(-low, high), max(-low, high)
        return Grid(
            cells=self.world.kinds,
            kinds=KINDS,
            values=np.where(inside, values, np.nan).astype(np.float32).reshape(shape),
            low=low,
            high=high,
            actions=q.astype(np.float32).reshape(*shape, 4),
            policy=(policy * inside[:, None]).astype(np.float32).reshape(*shape, 4),
            traces=np.array(self.traces, np.float32).max(axis=1).reshape(shape),
            pieces={"agent": self.next_state if self.phase_index in (2, 3) else self.state, "person": self.person},
            trail=np.array(self.trail[-TRAIL:], np.int32),
            backup=tuple(self.backup) if self.phase_index in (0, 3) else (),
            wind=self.world.wind if any(self.world.wind) else (),
            brushes=KINDS,
            player="person",
        )

    def return_curves(self) -> Curves:
        """What each episode earned. The axis fits the later half of the means: the first episodes are far below."""
        later = self.series.kept[len(self.series.kept) // 2 :]
        levels = {"optimal": self.optimal_return, "person": self.person_finished}
        drawn = {name: height for name, height in levels.items() if height is not None}
        low = min([*(row[2] for row in later), *drawn.values()], default=0.0)
        high = max([*(max(row[1:]) for row in later), *drawn.values()], default=0.0)
        margin = 0.1 * (high - low)
        return Curves(self.series.curves(), drawn, low=low - margin, high=high + margin)

    def greedy_return(self, q: np.ndarray) -> float:
        """What the best known actions (the first of several) earn from the start, without chance or learning."""
        best, state = q.argmax(axis=1).tolist(), self.world.start
        earned, weight = 0.0, 1.0
        for _ in range(self.config.step_limit):
            action = best[state]
            earned += weight * self.world.reward[state][action]
            weight, state = weight * self.config.discount, self.world.next_state[state][action]
            if self.world.terminal[state]:
                break
        return earned

    # -- the person ----------------------------------------------------------------------------------------

    def seat_person(self) -> None:
        """The person's piece stands at the start, with nothing earned."""
        self.person, self.person_return, self.person_weight = self.world.start, 0.0, 1.0

    def on_knob(self, name: str, value: Any) -> None:
        """Another discount, another optimum."""
        super().on_knob(name, value)
        if name == "discount":
            self.seek_optimum()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """The person moves their own piece, or paints a cell: what was learned stays, the episode begins again.

        Raises Plain for a grid that could not be solved; the old one then stays.
        """
        kind, cell, brush, way = (event.get(key) for key in ("kind", "cell", "brush", "direction"))
        if kind == "move" and way in ACTIONS:
            self.move_person(ACTIONS.index(way))
        elif kind == "paint" and type(cell) is int and 0 <= cell < len(self.q) and brush in KINDS:
            text = painted(self.config.grid, self.config.own_grid, cell, brush)
            self.config = replace(self.config, grid="own", own_grid=text)
            self.world = read("own", text)
            for known, inside in zip(self.q, self.world.reachable, strict=True):
                known[:] = known if inside else [0.0] * 4
            self.values = self.values * self.world.reachable
            self.phase_index = 0  # what slow motion had begun belongs to the old world
            self.begin_episode()
            self.seat_person()
            self.seek_optimum()
        else:
            super().on_event(event)  # raises

    def move_person(self, action: int) -> None:
        """One step of the person's, in the agent's world and for the agent's rewards."""
        if self.world.terminal[self.person]:
            self.seat_person()
        self.person_return += self.person_weight * self.world.reward[self.person][action]
        self.person_weight *= self.config.discount
        self.person = self.world.next_state[self.person][action]
        if self.world.terminal[self.person]:
            self.person_finished = self.person_return
