"""What a run has shown, kept for looking back, in bounded room: whole frames, thinned evenly as the run grows."""

from bisect import bisect_left
from collections.abc import Callable


class Room:
    """Bytes that several histories share. `limit` is for all of them together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class History:
    """Frames by step. When full, every second one goes, and from then on they are taken half as often.

    limit: bytes that this run may keep; room: bytes that all runs may keep, of which this one takes no more
    than is left.
    """

    def __init__(self, limit: int, room: Room) -> None:
        self.limit = limit
        self.room = room
        self.stride = 1
        self.bytes = 0
        self.steps: list[int] = []
        self.frames: list[bytes] = []

    def add(self, step: int, frame: bytes) -> None:
        """Remember a frame, unless it comes sooner after the last one than the present thinning keeps."""
        if len(frame) > self.limit or (self.steps and step < self.steps[-1] + self.stride):
            return
        while self.steps and self._full(len(frame)):
            self._thin()
            if self.steps and step < self.steps[-1] + self.stride:
                return
        if not self._full(len(frame)):
            self.steps.append(step)
            self.frames.append(frame)
            self._count(len(frame))

    def _full(self, more: int) -> bool:
        return self.bytes + more > self.limit or self.room.used + more > self.room.limit

    def _thin(self) -> None:
        """Let every second frame go; the first one stays while there is more than one."""
        if len(self.steps) == 1:
            self._keep(lambda i: False)
        else:
            self.stride = max(self.stride * 2, (self.steps[-1] - self.steps[0]) // len(self.steps))
            self._keep(lambda i: i % 2 == 0)

    def _keep(self, wanted: Callable[[int], bool]) -> None:
        kept = [i for i in range(len(self.steps)) if wanted(i)]
        self.steps = [self.steps[i] for i in kept]
        self.frames = [self.frames[i] for i in kept]
        self._count(sum(map(len, self.frames)) - self.bytes)

    def _count(self, change: int) -> None:
        self.bytes += change
        self.room.used += change

    def nearest(self, step: int) -> bytes | None:
        """The kept frame whose step is nearest to `step`; None where nothing is kept."""
        if not self.steps:
            return None
        i = bisect_left(self.steps, step)
        around = [j for j in (i - 1, i) if 0 <= j < len(self.steps)]
        return self.frames[min(around, key=lambda j: abs(self.steps[j] - step))]

    def clear(self) -> None:
        """Forget everything; the room is free again."""
        self._keep(lambda i: False)
        self.stride = 1

    def extent(self) -> dict[str, int]:
        """First and last step kept, and how many."""
        first, last = (self.steps[0], self.steps[-1]) if self.steps else (0, 0)
        return {"first": first, "last": last, "count": len(self.steps)}
