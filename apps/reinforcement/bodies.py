"""A robot on the stage: MuJoCo's physics in small ticks of time, a hand that pulls at it, its geometry as a drawing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from apps.reinforcement.drawing import Drawing, arc
from apps.reinforcement.environments import ROBOTS, make
from shared.live.experiment import Plain, Sketch

FIRST_START = 2_000_000  # seed of the first episode on the stage; whoever plays there meets the same ones
LONGEST_HOLD = 10.0  # s of the robot's time after which a hand lets go by itself
FAR = 100.0  # m from the middle of the picture: no hand reaches so far
GRAVITY = 9.81  # m/s², of which a weight is made, whatever the robot's own world has
CAPSULE = 3  # MuJoCo's number for it; what is no capsule is drawn as a disc


@dataclass(frozen=True)
class Look:
    """How a robot is seen.

    across, up: which of the world's axes (0, 1, 2) go to the right and upwards.
    box:    (low, high, low, high) of what is drawn, in metres; around `body`, where one is followed.
    kinds:  beginnings of the geometries' names → what they are; what has none of these is not drawn.
    motors: names of the motors, in the order of the actions.
    """

    up: int
    box: tuple[float, float, float, float]
    kinds: dict[str, str]
    motors: tuple[str, ...]
    body: str = ""
    across: int = 0


LOOKS = {
    "InvertedPendulum": Look(
        2, (-1.3, 1.3, -0.35, 0.9), {"rail": "ground", "cart": "torso", "cpole": "pole"}, ("slide",),
    ),
    "Reacher": Look(
        1, (-0.27, 0.27, -0.27, 0.27),
        {"root": "hinge", "link": "pole", "fingertip": "torso", "target": "goal"}, ("shoulder", "elbow"),
    ),
    "HalfCheetah": Look(
        2, (-1.25, 1.25, -0.3, 1.4), {"torso": "torso", "head": "torso", "b": "back_leg", "f": "front_leg"},
        ("back_thigh", "back_shin", "back_foot", "front_thigh", "front_shin", "front_foot"), "torso",
    ),
    "Hopper": Look(
        2, (-1.25, 1.25, -0.2, 1.6),
        {"torso": "torso", "thigh": "pole", "leg": "back_leg", "foot": "front_leg"}, ("thigh", "knee", "foot"), "torso",
    ),
}  # fmt: skip


class Pose(NamedTuple):
    """Where everything was at one moment of the episode, in the world's metres.

    time: s. places, axes: (G, 3), the middle of each piece of geometry, and half its axis. joints: (A, 3), where the
    motors sit. middle: (3,), of the body that is followed. forces: (C, 6), where something touches, and the newtons
    there. hand: (6,), where it pulls, and with how many; or (0,).
    """

    time: float
    places: np.ndarray
    axes: np.ndarray
    joints: np.ndarray
    middle: np.ndarray
    contacts: np.ndarray
    hand: np.ndarray


class Body:
    """One episode of one robot after another, by Gymnasium's own `step`; none of it is learned from.

    A decision lasts several steps of the physics. Each of them leaves a Pose, and what is drawn lies between the two
    around the `clock`: so the picture moves evenly, however rarely the robot decides.
    """

    def __init__(self, robot: str, first_seed: int = FIRST_START) -> None:
        self.robot, self.look, self.world, self.env = robot, LOOKS[robot], ROBOTS[robot], make(robot)
        import mujoco  # only now: where it is missing, `make` has said so

        self.mujoco = mujoco
        self.model, self.data = self.env.model, self.env.data
        self.env._step_mujoco_simulation = self.simulate  # the same physics, looked at after each of its steps
        self.limit = int(gymnasium.spec(self.world.id).max_episode_steps or 0)
        self.bound = float(self.env.action_space.high[0])
        self.scale = np.array(self.world.scale, np.float32)
        self.pieces = [(i, kind) for i in range(self.model.ngeom) if (kind := self.kind(i))]
        self.geoms = [geom for geom, _ in self.pieces]
        capsules = self.model.geom_type[self.geoms] == CAPSULE
        self.lengths = (self.model.geom_size[self.geoms, 1] * capsules)[:, None]  # half of each, without its round ends
        self.moved_joints = self.model.actuator_trnid[:, 0].copy()
        self.followed = self.model.body(self.look.body or "world").id
        self.gravity = self.model.opt.gravity.copy()
        self.weight = float(self.model.body_mass.sum()) * GRAVITY
        self.grip: list[float] = []  # the body held, the point of it (3), the hand (2, from the centre), until when
        self.begin(first_seed)

    def kind(self, geom: int) -> str:
        """What a piece is; "" for one that is not drawn. Planes have no ends."""
        name = self.model.geom(geom).name if self.model.geom_type[geom] else ""
        return next((kind for start, kind in self.look.kinds.items() if name.startswith(start)), "")

    def begin(self, seed: int) -> None:
        """A new episode from the start that `seed` leads to; a hand lets go."""
        self.seed, self.clock, self.decisions, self.so_far, self.touched = seed, 0.0, 0, 0.0, False
        self.drop()
        self.observation: np.ndarray = (self.env.reset(seed=seed)[0] / self.scale).astype(np.float32)
        self.action = np.zeros(self.world.amounts, np.float32)
        self.poses = [self.pose()]

    # -- time ----------------------------------------------------------------------------------------------

    def pass_time(self, seconds: float, act: Callable[[np.ndarray], np.ndarray]) -> list[float]:
        """So much of the robot's own time; `act` decides whenever a decision is due: (O,) → (A,).

        Returns what the episodes that ended meanwhile earned, those apart that a hand has touched.
        """
        self.clock, ended = self.clock + seconds, list[float]()
        while self.poses[-1].time < self.clock:
            if self.decide(act(self.observation)):
                ended += [] if self.touched else [self.so_far]
                self.begin(self.seed + 1)
        return ended

    def decide(self, action: np.ndarray) -> bool:
        """One step of Gymnasium's environment. True: the episode is over. As long as a hand holds, its clock stands."""
        self.action = np.clip(action, -1, 1).astype(np.float32)
        if self.grip and self.data.time > self.grip[6]:
            self.drop()
        observation, reward, terminated, _, _ = self.env.step(self.bound * self.action)
        self.observation = (observation / self.scale).astype(np.float32)
        self.so_far += float(reward)
        self.decisions += not self.grip
        return bool(terminated) or self.decisions >= self.limit

    def simulate(self, control: np.ndarray, count: int) -> None:
        """`count` steps of the physics, in place of Gymnasium's own loop, which nobody could look into."""
        self.data.ctrl[:] = control
        earlier = [pose for pose in self.poses if pose.time <= self.clock][-1:]
        self.poses = earlier + [pose for pose in self.poses if pose.time > self.clock]
        for _ in range(count):
            self.pull()
            self.mujoco.mj_step(self.model, self.data)
            self.poses.append(self.pose())
        self.mujoco.mj_rnePostConstraint(self.model, self.data)

    def pull_down(self, factor: float) -> None:
        """Gravity, times the earth's."""
        self.model.opt.gravity[:] = factor * self.gravity

    # -- a hand --------------------------------------------------------------------------------------------

    def take(self, start: tuple[float, float], hand: tuple[float, float], strength: float) -> None:
        """Take hold at `start` of what is nearest, or pull on: both from the middle of the picture, in metres.

        Of the Reacher it is the target that is moved. strength: the most that a hand can do, in the robot's weights.
        Raises Plain for a hand that cannot be there.
        """
        if not all(map(math.isfinite, (*start, *hand))) or max(map(abs, (*start, *hand))) > FAR:
            raise Plain("hand_far", limit=FAR)
        self.touched, self.strength = True, strength
        if not self.grip:
            geom, place = self.nearest(np.array(start) + self.centre(self.shown()))
            body = int(self.model.geom_bodyid[geom])
            point = self.data.xmat[body].reshape(3, 3).T @ (place - self.data.xpos[body])
            self.grip = [float(body), *map(float, point), 0.0, 0.0, self.data.time + LONGEST_HOLD]
        self.grip[4:6] = map(float, hand)
        if self.robot == "Reacher":
            self.aim()

    def drop(self) -> None:
        """Let go."""
        self.grip, self.strength = [], 1.0
        self.data.xfrc_applied[:] = 0

    def nearest(self, point: np.ndarray) -> tuple[int, np.ndarray]:
        """The moving piece whose axis is nearest to a point (2,) of the picture, and the point of that axis, (3,)."""
        pose, found = self.pose(), []
        for row, (geom, _) in enumerate(self.pieces):
            if self.model.geom_bodyid[geom]:
                flat, way = self.flat(pose.places[row]), self.flat(pose.axes[row])
                share = np.clip((point - flat) @ way / max(1e-12, way @ way), -1, 1)
                distance = float(np.linalg.norm(point - flat - share * way))
                found.append((distance, geom, pose.places[row] + share * pose.axes[row]))
        return min(found, key=lambda each: each[0])[1:]

    def pull(self) -> None:
        """The hand as a spring, from the point that it holds to where it is: MuJoCo's `xfrc_applied`."""
        if self.robot == "Reacher":
            self.aim()
            return
        self.data.xfrc_applied[:] = 0
        if self.grip:
            body, force = int(self.grip[0]), self.force()
            arm = self.held_point() - self.data.xipos[body]
            self.data.xfrc_applied[body] = [*force, *np.cross(arm, force)]

    def held_point(self) -> np.ndarray:
        """Of the robot, in the world, (3,)."""
        body = int(self.grip[0])
        return self.data.xpos[body] + self.data.xmat[body].reshape(3, 3) @ np.array(self.grip[1:4])

    def force(self) -> np.ndarray:
        """Newtons, (3,): proportional to the distance, and never more than `strength` times the robot's weight."""
        force = np.zeros(3)
        aim = self.centre(self.poses[-1]) + self.grip[4:6] - self.flat(self.held_point())
        force[[self.look.across, self.look.up]] = aim
        force *= self.strength * self.weight / (0.3 * (self.look.box[1] - self.look.box[0]))
        return force * min(1.0, self.strength * self.weight / max(1e-9, float(np.linalg.norm(force))))

    def aim(self) -> None:
        """The Reacher's target goes where the hand is, or as near to it as Gymnasium would ever set it."""
        if self.grip:
            there = np.array(self.grip[4:6])
            self.data.qpos[2:] = there * min(1.0, 0.2 / max(1e-9, float(np.linalg.norm(there))))

    # -- what there is to see ------------------------------------------------------------------------------

    def flat(self, points: np.ndarray) -> np.ndarray:
        """(…, 3) → (…, 2), as it is seen."""
        return points[..., [self.look.across, self.look.up]]

    def centre(self, pose: Pose) -> np.ndarray:
        """The middle of the picture, (2,): it goes along with the robot, and never up or down."""
        left, right, low, high = self.look.box
        along = float(pose.middle[self.look.across]) if self.look.body else 0.0
        return np.array([along + (left + right) / 2, (low + high) / 2])

    def pose(self) -> Pose:
        """Copies of where everything is now."""
        data, hand = self.data, np.zeros(0)
        if self.grip and self.robot != "Reacher":
            hand = np.concatenate([self.held_point(), self.force()])
        joints = data.xanchor[self.moved_joints]
        middle = data.xpos[self.followed].copy()
        axes = data.geom_xmat[self.geoms, 2::3] * self.lengths
        return Pose(float(data.time), data.geom_xpos[self.geoms], axes, joints, middle, self.contacts(), hand)

    def contacts(self) -> np.ndarray:
        """Where something touches, and the force on the second of the two, (C, 6): the ground is always the first."""
        found, force = np.zeros((self.data.ncon, 6)), np.zeros(6)
        for i in range(self.data.ncon):
            contact = self.data.contact[i]
            self.mujoco.mj_contactForce(self.model, self.data, i, force)
            found[i, :3], found[i, 3:] = contact.pos, contact.frame.reshape(3, 3).T @ force[:3]
        return found

    def shown(self) -> Pose:
        """Between the two poses around the clock; forces are those of the earlier one."""
        before = [pose for pose in self.poses if pose.time <= self.clock][-1]
        after = next((pose for pose in self.poses if pose.time > self.clock), before)
        share = 0.0 if after is before else (self.clock - before.time) / (after.time - before.time)
        places, axes, joints, middle = (a + share * (b - a) for a, b in zip(before[1:5], after[1:5], strict=True))
        return Pose(self.clock, places, axes, joints, middle, before.contacts, before.hand)

    def sketch(self) -> Sketch:
        """The robot from its geometry; what its motors do, what pushes it, what pulls at it."""
        pose, drawing, (left, right, low, high) = self.shown(), Drawing(), self.look.box
        x = float(self.centre(pose)[0]) - (left + right) / 2
        bounds = (x + left, x + right, low, high)
        if self.look.body:
            for metre in range(math.floor(bounds[0]), math.ceil(bounds[1])):
                drawing.box("ground", metre + 0.01, metre + 0.99, low, 0.0, float(metre))
        elif self.robot == "Reacher":
            drawing.line("ground", arc((0.0, 0.0), 0.2, 0.0, 2 * math.pi), 0.002)
        for place, axis, (geom, kind) in zip(pose.places, pose.axes, self.pieces, strict=True):
            drawing.line(kind, self.flat(np.stack([place - axis, place + axis])), 2 * self.model.geom_size[geom, 0])
        size = high - low
        for i, (place, amount) in enumerate(zip(self.flat(pose.joints), self.action, strict=True)):
            self.draw_motor(drawing, i, place, float(amount), size)
        forces = [("contact", force) for force in pose.contacts] + [("hand", pose.hand)] * (len(pose.hand) > 0)
        for kind, force in forces:
            way = 0.3 * size * self.flat(force[3:]) / self.weight  # a weight is 0.3 of the picture long
            drawing.arrow(kind, self.flat(force[:3]), way, 0.012 * size, float(np.linalg.norm(force[3:])))
        return drawing.sketch(bounds, pullable=True)

    def draw_motor(self, drawing: Drawing, i: int, place: np.ndarray, amount: float, size: float) -> None:
        """An arc round the joint as wide as the motor turns hard, or an arrow where it slides; -1 … 1 to be read."""
        joint = self.moved_joints[i]
        if abs(amount) < 0.02:
            return
        if self.model.jnt_type[joint] == self.mujoco.mjtJoint.mjJNT_SLIDE:
            drawing.arrow("push", place, np.array([0.25 * size * amount, 0.0]), 0.012 * size, amount)
            return
        # Seen along an axis that points away from us, a positive turn goes clockwise.
        way = self.data.xaxis[joint][3 - self.look.across - self.look.up] * (1 if self.look.up == 1 else -1)
        drawing.line("push", arc(tuple(place), 0.06 * size, math.pi / 2, 2.5 * way * amount), 0.012 * size, amount)

    # -- a checkpoint --------------------------------------------------------------------------------------

    DERIVED = ("xpos", "xmat", "xipos", "geom_xpos", "geom_xmat")  # from the state, one step of the physics ago
    PLAIN = ("seed", "clock", "decisions", "so_far", "touched", "strength", "observation", "action", "grip")

    def state_dict(self) -> dict[str, Any]:
        """MuJoCo's own integration state, and what is known of the episode."""
        whole = int(self.mujoco.mjtState.mjSTATE_INTEGRATION)
        physics = np.zeros(self.mujoco.mj_stateSize(self.model, whole))
        self.mujoco.mj_getState(self.model, self.data, physics, whole)
        derived = {name: getattr(self.data, name).copy() for name in self.DERIVED}
        kept = {"physics": physics, "derived": derived, "poses": [list(pose) for pose in self.poses]}
        return kept | {name: getattr(self, name) for name in self.PLAIN}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in self.PLAIN:
            setattr(self, name, state[name])
        self.grip, self.poses = list(state["grip"]), [Pose(*pose) for pose in state["poses"]]
        whole = int(self.mujoco.mjtState.mjSTATE_INTEGRATION)
        self.mujoco.mj_setState(self.model, self.data, state["physics"], whole)
        for name, value in state["derived"].items():
            getattr(self.data, name)[:] = value
