"""An agent learns to balance, swing, climb or land, by one of five algorithms, while its policy of the moment plays.

Each algorithm has a file of its own; here stands what they share: the loop of acting and learning, and the stage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.reinforcement.a3c import A3C
from apps.reinforcement.agent import Agent
from apps.reinforcement.ddpg import DDPG
from apps.reinforcement.dqn import DQN
from apps.reinforcement.environments import EVALUATED, FIRST_EVALUATED, NEVER, WORLDS, Environments
from apps.reinforcement.players import PAGES, Album, Player
from apps.reinforcement.ppo import PPO
from apps.reinforcement.reinforce import Reinforce
from apps.reinforcement.shipped import hand_over
from shared.live.experiment import Bars, Curves, Experiment, Frame, Plain, Series, View, knob

ALGORITHMS = ("dqn", "reinforce", "a3c", "ppo", "ddpg")
STRIDE = 8  # steps of the environment in one step of the run, so that algorithms can be raced
SNAPSHOT_EVERY = 1000  # steps of the environment between two snapshots, at first
RECENT = 100  # episodes in the mean return


@dataclass(frozen=True)
class ControlConfig:
    """The settings; what else an algorithm needs stands in its file, for each environment."""

    env: str = knob("CartPole", choices=tuple(WORLDS))
    algorithm: str = knob("ppo", choices=ALGORITHMS)
    start: str = knob("scratch", choices=("scratch", "shipped"))  # shipped: an expert, with its past
    learning_rate_factor: float = knob(1.0, low=0.01, high=10.0, scale="log", live=True)  # × what suits the two
    double: bool = knob(False)  # DQN: another network chooses than the one that judges
    duelling: bool = knob(False)  # DQN: a state's value and the actions' advantages apart
    prioritised: bool = knob(False)  # DQN: what surprised is drawn more often
    batch_size: int = knob(128, low=16, high=1024, scale="log")  # of DQN and DDPG
    replay_size: int = knob(50_000, low=100, high=200_000, scale="log")  # of DQN and DDPG, in steps
    baseline: bool = knob(True)  # REINFORCE
    synchronous: bool = knob(False)  # A3C: all wait for each other, which makes it A2C
    squashed: bool = knob(False)  # REINFORCE, A3C, PPO: continuous actions go through tanh in place of being clipped
    clip: float = knob(0.2, low=0.01, high=1.0, scale="log", live=True)  # PPO's ε
    twin_critics: bool = knob(False)  # DDPG: the first of TD3's three changes
    delayed_actor: bool = knob(False)  # the second
    smoothed_target: bool = knob(False)  # the third
    pace: float = knob(1.0, low=0.1, high=10.0, scale="log", live=True)  # of the stage, × what suits the algorithm
    temperature: float = knob(0.0, low=0.0, high=2.0, live=True)  # of the agent that is shown; 0 = greedy
    snapshot: int = knob(0, low=0, high=PAGES - 1, live=True)  # which of its pasts: 0 = clueless, the last = newest
    evaluate_every: int = knob(NEVER, low=10, high=NEVER, scale="log")  # steps of the environment


def build(config: ControlConfig) -> Agent:
    """The agent that the config asks for. Raises Plain for actions that it cannot take, or a batch too large."""
    world, memory = WORLDS[config.env], (config.replay_size, config.batch_size)
    others = {"algorithm": config.algorithm, "name": config.env}
    if config.algorithm == "dqn" and not world.discrete:
        raise Plain("needs_discrete", **others, allowed=", ".join(ALGORITHMS[1:]))
    if config.algorithm == "ddpg" and world.discrete:
        raise Plain("needs_continuous", **others, count=world.outputs, allowed=", ".join(ALGORITHMS[:-1]))
    if config.algorithm in ("dqn", "ddpg") and config.batch_size > config.replay_size:
        raise Plain("batch_over_memory", batch=config.batch_size, size=config.replay_size)
    if config.algorithm == "dqn":
        return DQN(world, config.double, config.duelling, config.prioritised, *memory)
    if config.algorithm == "ddpg":
        return DDPG(world, config.twin_critics, config.delayed_actor, config.smoothed_target, *memory)
    if config.algorithm == "reinforce":
        return Reinforce(world, config.baseline, config.squashed)
    if config.algorithm == "a3c":
        return A3C(world, config.synchronous, config.squashed)
    return PPO(world, config.clip, config.squashed)


class Control(Experiment[ControlConfig]):
    """Deep reinforcement learning on Gymnasium's classic environments. Papers and differences stand at each algorithm.

    An episode that is cut off by Gymnasium's time limit is not one that ended: what would have followed still counts
    (Pardo et al. 2018). Returns are plain sums of rewards.
    """

    id = "reinforcement/control"
    step_seconds = 60.0  # an evaluation is part of a step

    def __init__(self, config: ControlConfig, seed: int) -> None:
        super().__init__(config, seed)
        self.agent = build(config)
        self.env_steps = self.episodes = 0
        self.album = Album(SNAPSHOT_EVERY)
        if config.start == "shipped":
            self.album, self.env_steps = hand_over(config, self.agent)
        self.agent.set_learning_rate(config.learning_rate_factor)
        self.environments = Environments(config.env, self.agent.copies)
        self.judges = Environments(config.env, EVALUATED if config.evaluate_every < NEVER else 1, FIRST_EVALUATED)
        self.shown, self.past, self.person = (Player(config.env) for _ in range(3))
        self.album.take(self.env_steps, self.agent.acting)
        self.recent: list[float] = []  # what the last episodes earned
        self.returns = Series("episode_return", "episode_return_mean_100")
        self.evaluations = Series("evaluation_return")
        self.evaluation: float | None = None  # the last one
        self.held: float | None = None  # what the person does; None: they do not play
        self.pressed = False  # whether they hold a key at this moment

    # -- acting and learning -------------------------------------------------------------------------------

    def step(self) -> None:
        """STRIDE steps of the environment and the updates that they bring, or a piece of an update that takes long;
        and now and then a step on the stage."""
        before = self.env_steps
        if self.agent.pending:
            self.agent.improve()
        else:
            while self.env_steps < before + STRIDE:
                self.interact()
        self.album.take(self.env_steps, self.agent.acting)
        every = self.config.evaluate_every
        if every < NEVER and before // every != self.env_steps // every:
            self.evaluation = self.evaluate()
            self.evaluations.record(self.env_steps, evaluation_return=self.evaluation)
        if (self.step_count + 1) % max(1, round(self.agent.shown_every / self.config.pace)) == 0:
            self.play()

    def interact(self) -> None:
        """The agent acts, the environments answer, the agent learns."""
        places = self.agent.turns()
        actions = self.agent.act(self.environments.observations[places])
        step = self.environments.step(actions, places)
        self.env_steps += len(places)
        for earned in self.environments.finished:
            self.episodes += 1
            self.recent = [*self.recent[1 - RECENT :], earned]
            mean = sum(self.recent) / len(self.recent)
            self.returns.record(self.env_steps, episode_return=earned, episode_return_mean_100=mean)
        self.agent.learn(step)

    def evaluate(self) -> float:
        """Mean return of EVALUATED episodes of the greedy policy, always from the same starts; nothing is by lot."""
        earned = self.judges.play(lambda seen: self.agent.choose(self.agent.acting(seen), 0.0), FIRST_EVALUATED)
        return sum(earned) / len(earned)

    # -- the stage -----------------------------------------------------------------------------------------

    def play(self) -> None:
        """Everybody on the stage takes one step: the agent as it is, one of its pasts, and the person."""
        agent, seen = self.agent, self.shown.observation.copy()
        self.shown.move(agent.choose(agent.acting(seen[None]), self.config.temperature)[0], agent.value(seen))
        former = agent.acting.with_weights(self.album.weights[self.album.page(self.config.snapshot)])
        self.past.move(agent.choose(former(self.past.observation[None]), self.config.temperature)[0])
        if self.held is not None:
            action = np.array(self.held) if self.agent.world.discrete else np.array([self.held], np.float32)
            if self.person.move(action):
                if self.pressed:
                    self.begin_together()  # the key still held counts on
                else:
                    self.held = None  # until they press a key again

    def begin_together(self) -> None:
        """Everybody back to one start, another one than last time."""
        seed = self.shown.seed + 1
        for player in (self.shown, self.past, self.person):
            player.begin(seed)

    def on_knob(self, name: str, value: Any) -> None:
        """Rates and clip reach the agent; another past plays from the same start as the present."""
        super().on_knob(name, value)
        self.agent.set_learning_rate(self.config.learning_rate_factor)
        if isinstance(self.agent, PPO):
            self.agent.clip = self.config.clip
        if name == "snapshot":
            self.begin_together()

    def on_event(self, event: Mapping[str, Any]) -> None:
        """A person holds a key, or lets go; the first one begins their episode, together with the agent's, and so does
        one that is still held when an episode is over."""
        keys, way = self.agent.world.keys, str(event.get("direction"))
        if event.get("kind") != "hold" or (way and way not in keys):
            super().on_event(event)  # raises
        if self.held is None and way:
            self.begin_together()
        self.pressed = bool(way)
        if way in keys and (way or self.held is not None):
            self.held = float(keys[way])

    # -- what there is to see ------------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The agent at play, what it thinks of it, what it has earned, and what is inside the algorithm."""
        agent, observation, page = self.agent, self.shown.observation, self.album.page(self.config.snapshot)
        metrics: dict[str, float] = {
            "env_steps": self.env_steps,
            "episodes": self.episodes,
            "updates": agent.updates,
            "shown_return": self.shown.so_far,
            "past_return": self.past.so_far,
            "past_steps": self.album.steps[page],
            "person_return": self.person.so_far,
            **agent.metrics,
        }
        if self.recent:
            metrics["episode_return"] = self.recent[-1]
            metrics["episode_return_mean_100"] = sum(self.recent) / len(self.recent)
        if self.evaluation is not None:
            metrics["evaluation_return"] = self.evaluation
        if self.album.steps[page] in self.album.judged:
            metrics["past_evaluation"] = self.album.judged[self.album.steps[page]]
        thought = np.array([*self.shown.values, agent.value(observation)], np.float32)
        views: dict[str, View] = {
            "play": self.shown.sketch(),
            "past": self.past.sketch(
                title="past_shipped" if self.album.steps[page] in self.album.judged else "past_own"
            ),
            "yours": self.person.sketch(tuple(way for way in agent.world.keys if way)),
            "actions": self.action_bars(agent.shown(agent.acting(observation[None])[0])),
            "value": Curves({"value": np.column_stack([np.arange(len(thought)), thought]).astype(np.float32)}),
            "returns": self.return_curves(),
            **agent.views(observation),
        }
        return Frame(metrics, views)

    def action_bars(self, shown: np.ndarray) -> Bars:
        """What the agent makes of the state on the stage: a bar for each action, or the one action and its spread."""
        world, values = self.agent.world, shown.astype(np.float32)
        if not world.discrete:
            return Bars(values, ("amount", "spread"), -1.0, 1.0)
        return Bars(values, world.actions, 0.0, 0.0 if self.config.algorithm == "dqn" else 1.0)

    def return_curves(self) -> Curves:
        """Of each episode, of the last hundred on average, and of evaluations; what the person last earned."""
        series = self.returns.curves()
        if len(self.evaluations.kept):
            series |= self.evaluations.curves()
        return Curves(series, {} if self.person.earned is None else {"person": self.person.earned})
