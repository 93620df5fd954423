"""How each environment looks: its state as polygons, lines and discs, in its own units."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from shared.live.experiment import Sketch

Point = tuple[float, float]


class Drawing:
    """Shapes, one upon the other, each with the name of what it is and a number to be read there."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.ends: list[int] = []
        self.widths: list[float] = []
        self.kinds: list[str] = []
        self.values: list[float] = []

    def polygon(self, kind: str, corners: Iterable[Point], value: float = math.nan) -> None:
        self.line(kind, corners, 0.0, value)

    def line(self, kind: str, points: Iterable[Point], width: float, value: float = math.nan) -> None:
        self.points += [(float(x), float(y)) for x, y in points]
        self.ends.append(len(self.points))
        self.widths.append(width)
        self.kinds.append(kind)
        self.values.append(value)

    def disc(self, kind: str, centre: Point, diameter: float) -> None:
        self.line(kind, [centre], diameter)

    def box(self, kind: str, left: float, right: float, low: float, high: float, value: float = math.nan) -> None:
        self.polygon(kind, [(left, low), (right, low), (right, high), (left, high)], value)

    def arrow(self, kind: str, tail: Any, way: Any, width: float, value: float = math.nan) -> None:
        """From `tail` so far the `way`; one that is shorter than its own head is left out."""
        tail, way = np.asarray(tail, float), np.asarray(way, float)
        length, head = float(np.linalg.norm(way)), 3 * width
        if length < head:
            return
        tip, along = tail + way, way / length
        off = np.array([-along[1], along[0]])
        neck = tip - head * along
        self.line(kind, [tuple(tail), tuple(neck)], width, value)
        self.polygon(kind, [tuple(tip), tuple(neck + 0.5 * head * off), tuple(neck - 0.5 * head * off)], value)

    def sketch(
        self, bounds: tuple[float, float, float, float], keys: tuple[str, ...] = (), pullable: bool = False
    ) -> Sketch:
        """All of it as a view."""
        names = tuple(dict.fromkeys(self.kinds))
        return Sketch(
            bounds,
            np.array(self.points, np.float32).reshape(-1, 2),
            np.array(self.ends, np.int32),
            np.array(self.widths, np.float32),
            np.array([names.index(kind) for kind in self.kinds], np.int32),
            np.array(self.values, np.float32),
            names,
            keys,
            pullable,
        )


def draw(name: str, env: Any, action: Any, keys: tuple[str, ...] = ()) -> Sketch:
    """What stands in one of Gymnasium's environments, and what was just done in it (None: nothing yet).

    name: a key of WORLDS. keys: those that a person steers it with.
    """
    drawing = Drawing()
    return drawing.sketch(PICTURES[name](drawing, env, action), keys)


def cart_pole(drawing: Drawing, env: Any, action: Any) -> tuple[float, float, float, float]:
    """The pole is 1 long. The episode is over where the cart passes a limit, or the pole leans by more than 12°."""
    x, _, angle, _ = map(float, env.state)
    limit, length = env.x_threshold, 2 * env.length
    drawing.line("ground", [(-limit - 0.3, -0.15), (limit + 0.3, -0.15)], 0.03)
    for side in (-limit, limit):
        drawing.line("limit", [(side, -0.3), (side, 0.0)], 0.04)
    if action is not None:
        way = 1 if action == 1 else -1
        drawing.line("push", [(x + 0.3 * way, 0.0), (x + 0.55 * way, 0.0)], 0.08)
    drawing.box("cart", x - 0.25, x + 0.25, -0.13, 0.13)
    drawing.line("pole", [(x, 0.1), (x + length * math.sin(angle), 0.1 + length * math.cos(angle))], 0.09)
    return (-limit - 0.3, limit + 0.3, -0.5, 1.5)


def acrobot(drawing: Drawing, env: Any, action: Any) -> tuple[float, float, float, float]:
    """Two links of length 1; only the joint between them has a motor. The tip is to rise above the line."""
    first, second = float(env.state[0]), float(env.state[0] + env.state[1])
    joint = (math.sin(first), -math.cos(first))
    tip = (joint[0] + math.sin(second), joint[1] - math.cos(second))
    drawing.line("goal", [(-2.1, 1.0), (2.1, 1.0)], 0.03)
    drawing.line("pole", [(0.0, 0.0), joint], 0.16)
    drawing.line("pole", [joint, tip], 0.12)
    drawing.disc("hinge", (0.0, 0.0), 0.14)
    drawing.disc("hinge", joint, 0.14)
    if action is not None and action != 1:
        drawing.line("push", arc(joint, 0.3, second - math.pi / 2, 0.9 * (int(action) - 1)), 0.06)
    return (-2.2, 2.2, -2.2, 2.2)


def mountain_car(drawing: Drawing, env: Any, action: Any) -> tuple[float, float, float, float]:
    """A car in a valley, too weak to climb straight to the flag. The hill is sin 3x, as the physics says."""
    x = float(env.state[0])
    across = np.linspace(env.min_position, env.max_position, 60)
    surface = list(zip(across, hill(across), strict=True))
    drawing.polygon("ground", [*surface, (env.max_position, -0.1), (env.min_position, -0.1)])
    goal, top = env.goal_position, float(hill(env.goal_position))
    drawing.line("goal", [(goal, top), (goal, top + 0.2)], 0.015)
    drawing.polygon("goal", [(goal, top + 0.2), (goal + 0.1, top + 0.16), (goal, top + 0.12)])
    slope = math.atan(1.35 * math.cos(3 * x))
    along, off = np.array([math.cos(slope), math.sin(slope)]), np.array([-math.sin(slope), math.cos(slope)])
    ground = np.array([x, float(hill(x))])
    push = 0.0 if action is None else float(np.ravel(action)[0]) - (hasattr(env, "force"))
    if push:
        begin = ground + 0.06 * off + math.copysign(0.08, push) * along
        drawing.line("push", [tuple(begin), tuple(begin + 0.1 * push * along)], 0.025)
    corners = [ground + a * along + b * off for a, b in ((-0.07, 0.03), (0.07, 0.03), (0.05, 0.09), (-0.05, 0.09))]
    drawing.polygon("cart", [tuple(corner) for corner in corners])
    for side in (-0.04, 0.04):
        drawing.disc("hinge", tuple(ground + side * along + 0.025 * off), 0.05)
    return (env.min_position, env.max_position, -0.1, 1.25)


def hill(x: Any) -> Any:
    """Height of the valley's ground."""
    return np.sin(3 * x) * 0.45 + 0.55


def pendulum(drawing: Drawing, env: Any, action: Any) -> tuple[float, float, float, float]:
    """A rod of length 1 that a motor at its foot, too weak to lift it at once, is to hold upright."""
    angle = float(env.state[0])  # 0 = upright, growing anticlockwise
    tip = (-math.sin(angle), math.cos(angle))
    drawing.line("ground", [(-1.2, 0.0), (1.2, 0.0)], 0.01)
    drawing.line("pole", [(0.0, 0.0), tip], 0.16)
    drawing.disc("hinge", (0.0, 0.0), 0.1)
    if action is not None:
        drawing.line("push", arc((0.0, 0.0), 0.45, angle + math.pi / 2, 1.6 * float(np.ravel(action)[0])), 0.05)
    return (-1.2, 1.2, -1.2, 1.2)


def arc(centre: Point, radius: float, begin: float, turn: float) -> list[Point]:
    """Points on a circle from the angle `begin`, `turn` radians on: how hard, and which way round, a motor turns."""
    angles = begin + turn * np.linspace(0, 1, 12 if abs(turn) < 3 else 48)
    return [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in angles]


def lunar_lander(drawing: Drawing, env: Any, action: Any) -> tuple[float, float, float, float]:
    """A lander over the moon; between the flags it is to come down softly. 1 = 30 pixels of Gymnasium's picture."""
    moon = [corner for piece in env.sky_polys for corner in piece[:2]]
    drawing.polygon("ground", [*moon, (moon[-1][0], 0.0), (moon[0][0], 0.0)])
    for x in (env.helipad_x1, env.helipad_x2):
        drawing.line("goal", [(x, env.helipad_y), (x, env.helipad_y + 1.0)], 0.08)
        drawing.polygon("goal", [(x, env.helipad_y + 1.0), (x + 0.8, env.helipad_y + 0.8), (x, env.helipad_y + 0.6)])
    body = env.lander
    flames = {1: ((-0.5, 0.45), (-1.0, 0.45)), 2: ((0.0, -0.35), (0.0, -1.1)), 3: ((0.5, 0.45), (1.0, 0.45))}
    if action is not None and int(action) in flames:
        drawing.line("push", [tuple(body.transform * point) for point in flames[int(action)]], 0.2)
    for part, kind in ((env.legs[0], "leg"), (env.legs[1], "leg"), (body, "cart")):
        for fixture in part.fixtures:
            drawing.polygon(kind, [tuple(fixture.body.transform * corner) for corner in fixture.shape.vertices])
    return (0.0, 20.0, 0.0, 13.4)


PICTURES = {
    "CartPole": cart_pole,
    "Acrobot": acrobot,
    "MountainCar": mountain_car,
    "MountainCarContinuous": mountain_car,
    "LunarLander": lunar_lander,
    "Pendulum": pendulum,
}
