"""Tabular reinforcement learning, one function a formula: what an action value should have been, and how it gets there.

Q is a list of four action values a state, in the order of grids.ACTIONS; sweeps over all states use arrays.
"""

import random

import numpy as np

from apps.reinforcement.grids import World

SWEEPS = 2000  # after so many the optimal values must have settled


# -- what Q(S, A) should have been: one line an algorithm ---------------------------------------------------


def sarsa_target(reward: float, discount: float, following: list[float], action: int) -> float:
    """R + γ Q(S', A'), A' being the action that will be taken. Sutton & Barto 2018, eq. 6.7."""
    return reward + discount * following[action]


def q_learning_target(reward: float, discount: float, following: list[float]) -> float:
    """R + γ max Q(S', a), whatever will be done there. Watkins 1989; Sutton & Barto 2018, eq. 6.8."""
    return reward + discount * max(following)


def expected_sarsa_target(reward: float, discount: float, following: list[float], epsilon: float) -> float:
    """R + γ Σ π(a | S') Q(S', a), π being the ε-greedy policy. Sutton & Barto 2018, eq. 6.9."""
    return reward + discount * expected_value(following, epsilon)


def expected_value(values: list[float], epsilon: float) -> float:
    """What an ε-greedy choice among action values is worth on average; it does not matter how ties are broken."""
    return (1 - epsilon) * max(values) + epsilon * sum(values) / len(values)


def returns(rewards: list[float], discount: float, tail: float) -> list[float]:
    """G_t = R_{t+1} + γ G_{t+1} for each t of an episode; `tail` is the last G. Sutton & Barto 2018, eq. 3.9."""
    found, following = [], tail
    for reward in reversed(rewards):
        following = reward + discount * following
        found.append(following)
    return found[::-1]


def first_visits(states: list[int], actions: list[int]) -> list[int]:
    """The times t at which each pair (S_t, A_t) of an episode occurred first."""
    seen: dict[tuple[int, int], int] = {}
    for time, pair in enumerate(zip(states, actions, strict=False)):
        seen.setdefault(pair, time)
    return list(seen.values())


def fade_and_learn(
    q: list[list[float]], traces: list[list[float]], touched: list[int], learning_rate: float, error: float, fade: float
) -> None:
    """Q(s, a) ← Q(s, a) + α δ e(s, a) for all at once; then e ← γ λ e. Sutton & Barto 2018, section 12.7."""
    for state in touched:
        values, trace = q[state], traces[state]
        for action in range(4):
            values[action] += learning_rate * error * trace[action]
            trace[action] *= fade


# -- planning: the world is known, so every cell can be backed up at once -----------------------------------


def look_ahead(world: World, values: np.ndarray, discount: float) -> np.ndarray:
    """R(s, a) + γ V(s') for every cell and action: (N,) → (N, 4)."""
    return world.rewards + discount * values[world.next_states]


def bellman_optimality(ahead: np.ndarray) -> np.ndarray:
    """V(s) ← max_a [R(s, a) + γ V(s')], of look_ahead's (N, 4). Bellman 1957; Sutton & Barto 2018, eq. 4.10."""
    return ahead.max(axis=1)


def bellman_expectation(ahead: np.ndarray, policy: np.ndarray) -> np.ndarray:
    """V(s) ← Σ_a π(a | s) [R(s, a) + γ V(s')], of two (N, 4). Sutton & Barto 2018, eq. 4.5."""
    return (policy * ahead).sum(axis=1)


def greedy_policy(q: np.ndarray) -> np.ndarray:
    """π(a | s): the best actions of each cell in equal shares, (N, 4) → (N, 4)."""
    best = q >= q.max(axis=1, keepdims=True) - 1e-9
    return best / best.sum(axis=1, keepdims=True)


def optimal_values(world: World, discount: float) -> np.ndarray | None:
    """V* by value iteration, (N,); None where the values have no end, or none within SWEEPS sweeps."""
    values = np.zeros(len(world.terminal))
    for _ in range(SWEEPS):
        better = bellman_optimality(look_ahead(world, values, discount))
        if np.abs(better - values).max() < 1e-9:
            return better
        values = better
    return None


def greedy(values: list[float]) -> int:
    """The best action; one of the best, by lot, where there are several."""
    best = max(values)
    if values.count(best) == 1:
        return values.index(best)
    return random.choice([action for action, value in enumerate(values) if value == best])
