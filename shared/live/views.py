"""What a frame can show: small immutable records of arrays, each drawn by the stage's file of the same name.

An array field becomes a binary buffer on the wire; every other field travels as JSON. Colours, fonts and
axes are the stage's business: a view says what is there, never what it looks like. Names of series and
labels are identifiers that the page's text file puts into words.
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class View:
    """One drawable thing in a frame."""

    kind: ClassVar[str]


@dataclass(frozen=True)
class Images(View):
    """A grid of pictures, filled row by row.

    pixels:     uint8, (N, H, W) grey or (N, H, W, 3) colour, 0 … 255.
    columns:    pictures in a row; 0 = as many as make the grid roughly square.
    labels:     one short text a picture, or none; drawn below it, unless the grid's sides are named.
    selectable: a click sends the event {"kind": "select", "view": name, "index": i}.
    selected:   indices drawn with a border.
    keys:       what a person may hold, as in Sketch.
    across, down: names of the grid's columns and of its rows, or none.
    """

    kind: ClassVar[str] = "images"
    pixels: np.ndarray
    columns: int = 0
    labels: tuple[str, ...] = ()
    selectable: bool = False
    selected: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plane(View):
    """A piece of the plane: a field as colour, under it all; a folded grid; points; arrows on top.

    bounds:   (x_low, x_high, y_low, y_high) of what is drawn; the field covers exactly this.
    points:   name → float32 (N, 2), drawn in this order.
    field:    float32 (H, W); row 0 lies at y_low, column 0 at x_low.
    field_range: the field values that get the two ends of the colour scale.
    arrows:   float32 (N, 4): x, y of the tail, then dx, dy, in the plane's own units.
    mesh:     float32 (R, C, 2): a grid of the latent space as the generator folds it; (1, C, 2) is a curve.
    drawable: a stroke sends the event {"kind": "draw", "view": name, "points": [[x, y], …]}.
    """

    kind: ClassVar[str] = "plane"
    bounds: tuple[float, float, float, float]
    points: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    field: np.ndarray | None = None
    field_range: tuple[float, float] = (0.0, 1.0)
    arrows: np.ndarray | None = None
    mesh: np.ndarray | None = None
    drawable: bool = False


@dataclass(frozen=True)
class Heatmap(View):
    """A matrix as colour. values: float32 (H, W), row 0 on top; low, high: ends of the colour scale.

    rows, columns: H and W names, shown as they are, or none.
    selectable:    a click sends the event {"kind": "select", "view": name, "row": r, "column": c}.
    selected:      (row, column) of the cell drawn with a border, or none.
    wide:          cells are as wide as there is room, not square.
    """

    kind: ClassVar[str] = "heatmap"
    values: np.ndarray
    low: float = 0.0
    high: float = 1.0
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    selectable: bool = False
    selected: tuple[int, ...] = ()
    wide: bool = False


@dataclass(frozen=True)
class Grid(View):
    """A world of N = H · W square cells, seen from above; a cell is named by its number, row by row from the top left.

    cells:     uint8 (H, W): what stands in each, a place in `kinds`.
    kinds:     "empty", "wall", "start", "goal", …: what may stand in a cell.
    values:    float32 (H, W), as colour; NaN = none.
    low, high: ends of the colour scale.
    actions:   float32 (H, W, 4), as four triangles: up, right, down, left.
    policy:    float32 (H, W, 4), as arrows: how likely each way is, 0 … 1.
    traces:    float32 (H, W), 0 … 1, as rings.
    pieces:    name → the cell where it stands.
    trail:     int32 (T,): cells that the first piece came through, oldest first.
    backup:    (cell, action, next cell) of the last update, or none.
    wind:      for each column, how many cells upwards it blows.
    brushes:   kinds that a click may paint: {"kind": "paint", "view": name, "cell": i, "brush": kind}.
    player:    the piece that a person moves: {"kind": "move", "view": name, "direction": "up" | "right" | …}.
    """

    kind: ClassVar[str] = "grid"
    cells: np.ndarray
    kinds: tuple[str, ...]
    values: np.ndarray
    low: float = 0.0
    high: float = 1.0
    actions: np.ndarray | None = None
    policy: np.ndarray | None = None
    traces: np.ndarray | None = None
    pieces: dict[str, int] = dataclasses.field(default_factory=dict)
    trail: np.ndarray | None = None
    backup: tuple[int, ...] = ()
    wind: tuple[int, ...] = ()
    brushes: tuple[str, ...] = ()
    player: str = ""


@dataclass(frozen=True)
class Sketch(View):
    """A drawing in a world's own units: S filled polygons, lines and discs, each upon those before it.

    bounds: (x_low, x_high, y_low, y_high) of what is drawn, with one scale for both directions.
    points: float32 (P, 2), those of all shapes in a row.
    ends:   int32 (S,): where in `points` each shape ends.
    widths: float32 (S,): of a line, in the world's units; of a single point, a disc's diameter; 0 = a filled polygon.
    kinds:  int32 (S,): what each is, a place in `names`. Each name has a colour; "ground" is grey.
    values: float32 (S,), a number to be read where the pointer is; NaN = none.
    names:  of the kinds.
    keys:   "up", "right", "down", "left", "fire": what a person may hold. Each change sends the event {"kind": "hold",
            "view": name, "direction": the key pressed last that is still held, "" = none, "held": [all that are]}.
    pullable: a person may pull at it: {"kind": "pull", "view": name, "start": [x, y], "hand": [x, y]}, where they took
            hold and where they are now, from the middle of `bounds`; {"kind": "drop", "view": name} when they let go.
    title:  a name for the heading, where it is not always the same.
    """

    kind: ClassVar[str] = "sketch"
    bounds: tuple[float, float, float, float]
    points: np.ndarray
    ends: np.ndarray
    widths: np.ndarray
    kinds: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    keys: tuple[str, ...] = ()
    pullable: bool = False
    title: str = ""


@dataclass(frozen=True)
class Tokens(View):
    """A text in its pieces, each on a ground as strong as its value.

    tokens:     the pieces, in reading order; a line break at the end of one ends a line.
    values:     float32 (N,), one a piece.
    low, high:  ends of the colour scale.
    kinds:      where there are some, a value is a place among these, and each kind has its own colour.
    selectable: a click sends the event {"kind": "select", "view": name, "index": i}.
    selected:   indices drawn underlined.
    """

    kind: ClassVar[str] = "tokens"
    tokens: tuple[str, ...]
    values: np.ndarray
    low: float = 0.0
    high: float = 1.0
    kinds: tuple[str, ...] = ()
    selectable: bool = False
    selected: tuple[int, ...] = ()


@dataclass(frozen=True)
class Links(View):
    """A text in two columns, who asks on the left and who is asked on the right, and lines between them.

    tokens:   the pieces, from top to bottom, shown as they are.
    ends:     int32 (E, 2): the token that asks and the one that is asked, as places in `tokens`.
    weights:  float32 (E,), 0 … 1: how strong each line is drawn.
    first:    the place in the whole text of the first of `tokens`.
    selected: (asks, is asked), places in `tokens`, or none. A click on a token sends the event
              {"kind": "select", "view": name, "side": "asks" or "asked", "index": place in the whole text}.
    """

    kind: ClassVar[str] = "links"
    tokens: tuple[str, ...]
    ends: np.ndarray
    weights: np.ndarray
    first: int = 0
    selected: tuple[int, ...] = ()


@dataclass(frozen=True)
class Curves(View):
    """Lines over steps. series: name → float32 (T, 2) of x, y; levels: name → a horizontal line's height.

    low, high: what the upright axis shows at first; equal = everything.
    """

    kind: ClassVar[str] = "curves"
    series: dict[str, np.ndarray]
    levels: dict[str, float] = dataclasses.field(default_factory=dict)
    log: bool = False
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True)
class Bars(View):
    """Named amounts. values: float32 (N,); labels: N names; high: the end of the axis, 0 = the largest value.

    selectable: a click sends the event {"kind": "select", "view": name, "index": i}.
    """

    kind: ClassVar[str] = "bars"
    values: np.ndarray
    labels: tuple[str, ...]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    selectable: bool = False


@dataclass(frozen=True)
class Histogram(View):
    """How often values fall in each bin. edges: float32 (B + 1,); counts: name → float32 (B,).

    marks: name → a value on the axis, drawn as an upright line.
    """

    kind: ClassVar[str] = "histogram"
    edges: np.ndarray
    counts: dict[str, np.ndarray]
    marks: dict[str, float] = dataclasses.field(default_factory=dict)
