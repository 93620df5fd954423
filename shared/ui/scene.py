"""What a page is made of: a topic, its scenes, and the formulas beside the code that computes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Formula:
    """One formula beside the very code that computes it.

    key: where its words stand, [formulas.<key>] in the topic's text; latex: the formula; code: what runs.
    """

    key: str
    latex: str
    code: Callable[..., Any] | type


@dataclass(frozen=True)
class Scene:
    """One moment of a page's story.

    id:         in the address and in the text, [scenes.<id>].
    experiment: its id, "topic/name".
    layout:     rows of view names, as CSS grid areas: "plane plane losses".
    metrics:    those shown as live numbers.
    knobs:      those shown, in this order.
    preset:     knob values that differ from the experiment's defaults.
    panes:      one stage for each, and how its knobs differ; one stage, as it is, by default.
    together:   knobs that move in every pane when they move in one.
    told_by:    the knob whose value tells one pane from another; it stands above each.
    projected, projected_metrics: layout and metrics in lecture mode, where fewer are drawn larger; as on the page by
                default.
    remedies:   id → live knobs that one press moves on the running run.
    code:       formulas of this scene.
    spare:      views that a frame may lack; the one above then takes their place.
    """

    id: str
    experiment: str
    layout: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    knobs: tuple[str, ...] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)
    panes: tuple[Mapping[str, Any], ...] = ({},)
    together: tuple[str, ...] = ()
    told_by: str = ""
    projected: tuple[str, ...] = ()
    projected_metrics: tuple[str, ...] = ()
    remedies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    code: tuple[Formula, ...] = ()
    spare: tuple[str, ...] = ()


@dataclass(frozen=True)
class Topic:
    """A page: a folder with its words, an address, and scenes in the order of the lecture."""

    folder: Path
    address: str
    icon: str
    scenes: tuple[Scene, ...]

    @property
    def name(self) -> str:
        return self.folder.name

    def scene(self, scene_id: str) -> Scene | None:
        return next((scene for scene in self.scenes if scene.id == scene_id), None)

    def neighbour(self, scene: Scene, distance: int) -> str | None:
        """The id of the scene so far before (-1) or after (1) this one; None past either end."""
        place = self.scenes.index(scene) + distance
        return self.scenes[place].id if 0 <= place < len(self.scenes) else None
