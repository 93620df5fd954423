"""The course: the first page, and the topics in their order."""

from apps.gans.page import GANS
from apps.home.page import HOME
from shared.ui.scene import Topic

TOPICS: tuple[Topic, ...] = (GANS,)

__all__ = ["HOME", "TOPICS"]
