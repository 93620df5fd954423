"""A robot with motors for joints: shipped agents run it, a person pushes it, and it can be taught here and now.

The physics is MuJoCo's (Todorov, Erez & Tassa 2012), the tasks are Gymnasium's; the agents stand in files of their own.
"""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.reinforcement.agent import Agent
from apps.reinforcement.bodies import Body
from apps.reinforcement.ddpg import DDPG
from apps.reinforcement.environments import EVALUATED, FIRST_EVALUATED, NEVER, ROBOTS, Environments
from apps.reinforcement.experts import LEVELS, Expert, become, expert
from apps.reinforcement.ppo import PPO
from shared.live.experiment import Bars, Curves, Experiment, Frame, Plain, Series, View, knob

TICK = 1 / 60  # s from picture to picture
MEMORY, BATCH = 100_000, 128  # of TD3 and DDPG, in steps
RECENT, TAIL = 100, 300  # training episodes in the mean return; points of the curves along an episode
NOBODY = "none"  # the checkpoint of an agent that has learned nothing, with this run's own weights


@dataclass(frozen=True)
class RobotConfig:
    """The settings; what else an algorithm needs stands in its file, for each robot."""

    robot: str = knob("HalfCheetah", choices=tuple(ROBOTS))
    checkpoint: str = knob("expert", choices=(NOBODY, *LEVELS), scale="ordered", live=True)
    train: bool = knob(False, live=True)  # whether it learns (on) while it plays
    algorithm: str = knob("td3", choices=("td3", "ddpg", "ppo"))  # the shipped agents are TD3's
    learning_rate_factor: float = knob(1.0, low=0.01, high=10.0, scale="log", live=True)  # × what suits the two
    steps_a_picture: int = knob(8, low=1, high=400, scale="log", live=True)  # of training, while it trains
    playback: float = knob(1.0, low=0.05, high=4.0, scale="log", live=True)  # the robot's seconds in one of ours
    hand: float = knob(1.0, low=0.05, high=5.0, scale="log", live=True)  # the most that a hand does, in weights
    gravity: float = knob(1.0, low=0.0, high=3.0, live=True)  # on the stage, times the earth's
    temperature: float = knob(0.0, low=0.0, high=10.0, live=True)  # of the agent that is shown; 0 = greedy
    evaluate_every: int = knob(NEVER, low=10, high=NEVER, scale="log")  # steps of the environment


def build(config: RobotConfig) -> Agent:
    """The agent that the config asks for. Raises Plain where the checkpoint is another algorithm's."""
    world = ROBOTS[config.robot]
    if config.checkpoint != NOBODY and config.algorithm != "td3":
        raise Plain("checkpoint_algorithm", checkpoint=config.checkpoint, algorithm=config.algorithm)
    if config.algorithm == "ppo":
        return PPO(world, 0.2)
    td3 = config.algorithm == "td3"
    agent = DDPG(world, td3, td3, td3, MEMORY, BATCH)
    if config.checkpoint != NOBODY:
        become(agent, config.robot, config.checkpoint)
    return agent


def shipped(config: RobotConfig) -> Expert | None:
    """The file that the checkpoint is from; None where there is no checkpoint."""
    return None if config.checkpoint == NOBODY else expert(config.robot)


class Robot(Experiment[RobotConfig]):
    """TD3, DDPG and PPO on MuJoCo's robots. Papers and differences stand at each algorithm.

    Metrics: `episodes`, `episode_return`, `return_mean_20` of the robot on the stage, without those that a hand has
    touched; of the learning `env_steps`, `updates`, `training_return_mean_100` (of the last 100 episodes) and
    `evaluation_return`; `decisions_per_second` on the stage, of our time; `contact_force` and `hand_force` in newtons.
    """

    id = "reinforcement/robot"
    step_seconds = 60.0  # an evaluation is part of a step
    tick_seconds = TICK

    def __init__(self, config: RobotConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.agent = build(config)
        self.agent.set_learning_rate(config.learning_rate_factor)
        self.shipped = shipped(config)
        self.body = Body(config.robot)
        self.body.pull_down(config.gravity)
        self.environments = Environments(config.robot, self.agent.copies)
        self.judges = Environments(config.robot, EVALUATED if config.evaluate_every < NEVER else 1, FIRST_EVALUATED)
        self.earned: list[float] = []  # by the last twenty whole episodes on the stage
        self.episodes = self.decisions = self.env_steps = 0
        self.seconds = 0.0  # spent on the stage
        self.values: list[float] = []  # what the network thought, ...
        self.rewards: list[float] = []  # ... and what the robot had earned, at each decision of the episode
        self.recent: list[float] = []  # what the last training episodes earned
        self.returns = Series("training_return", "training_return_mean_100")
        self.evaluations = Series("evaluation_return")
        self.evaluation: float | None = None  # the last one

    # -- the stage -----------------------------------------------------------------------------------------

    def step(self) -> None:
        """What there is to learn in it, and the time from one picture to the next."""
        if self.config.train:
            self.learn()
        start = time.perf_counter()
        ended = self.body.pass_time(TICK * self.config.playback, self.decide)
        self.seconds += time.perf_counter() - start
        self.episodes += len(ended)
        self.earned = [*self.earned, *ended][-EVALUATED:]

    def decide(self, observation: np.ndarray) -> np.ndarray:
        """What the agent does in a state: (O,) → (A,). Remembers what it thought of it."""
        if not self.body.so_far:  # an episode begins
            self.values, self.rewards = [], []
        self.values = [*self.values[1 - TAIL :], self.agent.value(observation)]
        self.rewards = [*self.rewards[1 - TAIL :], self.body.so_far]
        self.decisions += 1
        return self.agent.choose(self.agent.acting(observation[None]), self.config.temperature)[0]

    # -- learning ------------------------------------------------------------------------------------------

    def learn(self) -> None:
        """Some steps of the environment, elsewhere, the updates that they bring, and an evaluation where one is due."""
        before, every = self.env_steps, self.config.evaluate_every
        while self.env_steps < before + self.config.steps_a_picture:
            places = self.agent.turns()
            step = self.environments.step(self.agent.act(self.environments.observations[places]), places)
            self.env_steps += len(places)
            for earned in self.environments.finished:
                self.recent = [*self.recent[1 - RECENT :], earned]
                mean = sum(self.recent) / len(self.recent)
                self.returns.record(self.env_steps, training_return=earned, training_return_mean_100=mean)
            self.agent.learn(step)
        if every < NEVER and before // every != self.env_steps // every:
            self.evaluation = self.evaluate()
            self.evaluations.record(self.env_steps, evaluation_return=self.evaluation)

    def evaluate(self) -> float:
        """Mean return of EVALUATED episodes of the greedy policy, always from the same starts; nothing is by lot."""
        earned = self.judges.play(lambda seen: self.agent.choose(self.agent.acting(seen), 0.0), FIRST_EVALUATED)
        return sum(earned) / len(earned)

    # -- what a person does --------------------------------------------------------------------------------

    def on_knob(self, name: str, value: Any) -> None:
        """Another checkpoint takes over in mid-run; a rate reaches the agent, gravity the robot on the stage."""
        config = dataclasses.replace(self.config, **{name: value})
        if name == "checkpoint":
            self.agent, self.shipped = build(config), shipped(config)  # raises, and all stays as it was
        super().on_knob(name, value)
        self.agent.set_learning_rate(config.learning_rate_factor)
        self.body.pull_down(config.gravity)

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A hand takes hold of the robot and pulls, or lets go."""
        if event.get("kind") == "drop":
            self.body.drop()
        elif event.get("kind") == "pull":
            self.body.take(place(event.get("start")), place(event.get("hand")), self.config.hand)
        else:
            super().on_event(event)  # raises

    # -- what there is to see ------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The robot at play, what its agent thinks of it, which forces there are, and how it came to be so good."""
        agent, body, shown = self.agent, self.body, self.body.shown()
        metrics: dict[str, float] = {
            "episodes": self.episodes,
            "shown_return": body.so_far,
            "decisions_per_second": self.decisions / self.seconds if self.seconds else 0.0,
            "contact_force": float(np.linalg.norm(shown.contacts[:, 3:].sum(axis=0))),
            "hand_force": float(np.linalg.norm(shown.hand[3:])),
            "env_steps": self.env_steps,
            "updates": agent.updates,
            **agent.metrics,
        }
        if self.earned:
            metrics |= {"episode_return": self.earned[-1], "return_mean_20": sum(self.earned) / len(self.earned)}
        if self.recent:
            metrics["training_return_mean_100"] = sum(self.recent) / len(self.recent)
        if self.evaluation is not None:
            metrics["evaluation_return"] = self.evaluation
        output = agent.shown(agent.acting(body.observation[None])[0])[: agent.world.amounts]
        views: dict[str, View] = {
            "play": body.sketch(),
            "actions": Bars(np.clip(output, -1, 1).astype(np.float32), body.look.motors, -1.0, 1.0),
            "value": Curves({"value": along(self.values)}),
            "earned": Curves({"earned": along(self.rewards)}),
            "returns": self.return_curves(),
            **agent.views(body.observation),
        }
        return Frame(metrics, views)

    def return_curves(self) -> Curves:
        """While it learns here, its episodes; beside them the diary of the shipped agents, and where this one stood."""
        series = self.returns.curves() if self.returns.count else {}
        if self.evaluations.count:
            series |= self.evaluations.curves()
        if self.shipped is None:
            return Curves(series)
        diary, steps = self.shipped.diary, self.shipped.steps[self.config.checkpoint]
        now = np.array([[steps, diary[:, 1].min()], [steps, diary[:, 1].max()]], np.float32)
        series |= {"diary": diary, "this_checkpoint": now}
        return Curves(series, {"its_mean": self.shipped.scores[self.config.checkpoint]})


def along(numbers: list[float]) -> np.ndarray:
    """A curve of what was noted at each decision, the last one at 0: float32 (T, 2)."""
    back = np.arange(1 - len(numbers), 1)
    return np.column_stack([back, numbers]).astype(np.float32) if numbers else np.zeros((0, 2), np.float32)


def place(value: Any) -> tuple[float, float]:
    """Two numbers from the stage. Raises Plain for anything else."""
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(isinstance(n, int | float) for n in value):
        raise Plain("hand_form")
    return float(value[0]), float(value[1])
