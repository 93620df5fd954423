"""The course: the first page, and the topics in their order."""

from apps.gans.page import GANS
from apps.home.page import HOME
from apps.reinforcement.page import REINFORCEMENT
from apps.transformer.page import TRANSFORMER
from shared.ui.scene import Topic

TOPICS: tuple[Topic, ...] = (GANS, TRANSFORMER, REINFORCEMENT)

__all__ = ["HOME", "TOPICS"]
