"""Agents that the app ships: an expert, and what it was on its way there.

A file holds, in half precision, `page.<i>.<j>`, the j-th array of the acting network at the i-th of its pasts, and
`agent.<network>.<weight>`, all that the newest one needs to go on learning; its metadata say how old each past is, in
steps of the environment, and what it earned in an evaluation. assets/build/reinforcement.py makes them.
"""

import json
from typing import Any

from torch import nn

from apps.reinforcement.agent import Agent
from apps.reinforcement.players import Album
from shared.live.experiment import Plain
from shared.models.shipped import shipped_weights

ALGORITHM = "ppo"
SHIPPED = ("CartPole", "Acrobot", "LunarLander", "Pendulum")


def file_name(env: str) -> str:
    """Of an environment's agent, without its ending."""
    return f"control_{env.lower()}"


def hand_over(config: Any, agent: Agent) -> tuple[Album, int]:
    """Give the agent the expert's weights. Returns its pasts, and how many steps it has learned from.

    Raises Plain where nothing of the kind is shipped.
    """
    try:
        if config.algorithm != ALGORITHM:
            raise FileNotFoundError
        tensors, about = shipped_weights(file_name(config.env))
    except FileNotFoundError:
        allowed = ", ".join(SHIPPED)
        raise Plain("agent_missing", name=config.env, algorithm=ALGORITHM, allowed=allowed) from None
    for name in networks(agent):
        prefix = f"agent.{name}."
        own = {key.removeprefix(prefix): value.float() for key, value in tensors.items() if key.startswith(prefix)}
        getattr(agent, name).load_state_dict(own)
    steps, earned = json.loads(about["steps"]), json.loads(about["evaluations"])
    album = Album(max(1, steps[-1] // max(1, len(steps) - 1)))
    album.steps, album.judged = steps, dict(zip(steps, earned, strict=True))
    count = len(agent.acting.weights())
    album.weights = [[tensors[f"page.{i}.{j}"].float().numpy() for j in range(count)] for i in range(len(steps))]
    return album, steps[-1]


def networks(agent: Agent) -> list[str]:
    """Names of the agent's attributes that are networks."""
    return [name for name in agent.kept if isinstance(getattr(agent, name), nn.Module)]
