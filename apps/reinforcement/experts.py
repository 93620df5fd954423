"""The robots' agents that come with the app, from clueless to expert: a file a robot, with its training's diary."""

from dataclasses import dataclass

import numpy as np
import torch

from apps.reinforcement.ddpg import DDPG
from shared.live.experiment import Plain
from shared.models.shipped import shipped_weights

LEVELS = ("clueless", "beginner", "advanced", "expert")


@dataclass(frozen=True)
class Expert:
    """A file of weights.

    tensors: "<level>.<network>.<weight>", half precision, as they lie on the disk.
    steps:   level → of the environment, how many it had learned from.
    scores:  level → mean return of 20 episodes without chance.
    diary:   float32 (T, 2): steps, and the mean return of 10 episodes then.
    """

    tensors: dict[str, torch.Tensor]
    steps: dict[str, int]
    scores: dict[str, float]
    diary: np.ndarray


def expert(robot: str) -> Expert:
    """The agents of one robot. Raises Plain where there are none, or where the file is damaged, or another robot's."""
    name = weights_name(robot)
    try:
        tensors, about = shipped_weights(name)
        if about["robot"] != robot:
            raise Plain("weights_of_another", name=name, robot=robot, found=about["robot"][:40])
        steps = {level: int(about[f"{level}_steps"]) for level in LEVELS}
        scores = {level: float(about[f"{level}_score"]) for level in LEVELS}
        return Expert(tensors, steps, scores, tensors["diary"].numpy())
    except FileNotFoundError:
        raise Plain("checkpoint_missing", name=robot) from None
    except (KeyError, ValueError):
        raise Plain("weights_damaged", name=name) from None


def weights_name(robot: str) -> str:
    """The file's name in assets/weights/, without its ending."""
    return f"robot_{robot.lower()}"


def become(agent: DDPG, robot: str, level: str) -> None:
    """Give `agent`, TD3 with two critics, the weights of a level; it then learns on, and tries nothing by lot."""
    tensors = expert(robot).tensors
    networks = {"actor": agent.actor, "critics": agent.critics}
    for name, network in networks.items():
        state = {key: tensors.get(f"{level}.{name}.{key}") for key in network.state_dict()}
        for key, wanted in network.state_dict().items():
            found = state[key]
            if found is None or found.shape != wanted.shape or not found.isfinite().all():
                raise Plain("weights_damaged", name=weights_name(robot))
            wanted.copy_(found)  # the very memory of the network, in full precision
    agent.actor_target.load_state_dict(agent.actor.state_dict())
    agent.critic_targets.load_state_dict(agent.critics.state_dict())
    agent.by_lot = 0
