"""The panel of models on the first page: every model in words, made ready and freed with a click, in both languages."""

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from shared.live.messages import LANGUAGES
from shared.models.catalog import catalog
from shared.models.warming import Warming
from shared.ui import models as panel
from shared.ui.text import text
from tests.shared.test_models_warming import until_idle
from tests.shared.tiny_models import cache_of, wheel

HOME = Path(__file__).parents[2] / "apps" / "home"


def script(language: str) -> None:
    from pathlib import Path

    import apps.home
    from shared.ui.models import models_panel
    from shared.ui.text import text
    from shared.ui.visit import Visit

    models_panel(Visit(language, False, "owner"), text(Path(apps.home.__file__).parent, language))


@pytest.fixture
def warming(tmp_path, monkeypatch) -> Warming:
    """One model that is installed, one that is not, and those the app ships."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    shipped = [model for model in catalog().values() if model.shipped]
    missing = replace(wheel(tmp_path / "elsewhere", "missing"), task="text_generation")
    warming = Warming(cache_of(tmp_path / "cache", wheel(tmp_path / "site", "one"), missing, *shipped))
    monkeypatch.setattr(panel, "the_cache", lambda: warming.cache)
    monkeypatch.setattr(panel, "the_warming", lambda: warming)
    return warming


def shown(language: str) -> AppTest:
    app = AppTest.from_function(script, default_timeout=60, args=(language,)).run()
    assert not app.exception
    return app


def click(app: AppTest, warming: Warming, key: str) -> None:
    app.button(key=key).click().run()
    until_idle(warming)
    app.run()
    assert not app.exception


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_model_is_made_ready_and_freed(warming, language):
    its, app = text(HOME, language), shown(language)
    ready, absent = (its(f"models.states.{state}") for state in ("ready", "absent"))
    assert absent in app.markdown[1].value
    click(app, warming, "warm_one")
    assert ready in app.markdown[1].value
    click(app, warming, "free_one")
    assert absent in app.markdown[1].value


def test_everything_within_reach_is_made_ready(warming):
    app = shown("en")
    click(app, warming, "warm_all")
    assert "on disk" in app.markdown[1].value and not app.warning


def test_what_cannot_be_is_said_in_the_readers_language(warming):
    app = shown("es")
    click(app, warming, "warm_missing")
    assert "no está instalado" in app.warning[0].value


def test_every_task_of_the_catalog_has_words():
    for language in LANGUAGES:
        assert {model.task for model in catalog().values()} <= text(HOME, language).all("models.tasks").keys()
