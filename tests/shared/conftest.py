"""One engine with two worker processes for all the tests that need one: starting it costs seconds."""

from collections.abc import Iterator

import pytest

from shared.live.engine import Engine, Limits
from tests.shared.watching import until

# Short, so that a test need not wait ten minutes for a run to be freed.
LIMITS = Limits(runs_session=3, runs_all=40, pause_after=1.0, free_after=2.5)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Workers may be killed by a test: they are replaced."""
    engine = Engine(workers=2, limits=LIMITS)
    yield engine
    engine.close()


@pytest.fixture
def warm(engine: Engine) -> Engine:
    """The engine with every worker started, whatever an earlier test did to them."""
    until(lambda: engine.wait_ready(1.0), "the workers to start")
    return engine
