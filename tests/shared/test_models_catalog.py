"""Every entry of the catalog is whole, and what the app ships is in it without being written twice."""

import re
from pathlib import Path

import pytest

from shared.models.catalog import Source, catalog, read_cards, read_catalog
from shared.models.sources import NEEDED

ENTRIES = catalog().values()


@pytest.mark.parametrize("model", ENTRIES, ids=lambda model: model.id)
def test_an_entry_is_whole(model):
    assert re.fullmatch(r"[a-z0-9._-]+", model.id, re.IGNORECASE), "it names a folder"
    assert set(model.architecture) == {"en", "es"} and model.licence and model.sources
    assert model.parameters > 0 and model.size == 4 * model.parameters
    assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in model.sha256.values())
    for source in model.sources:
        # What a package carries is known for certain; of what the hub keeps, a commit or nothing is.
        assert source.kind == "hub" or {source.gguf or NEEDED[-1], Path(source.name).name} & model.sha256.keys()
        assert re.fullmatch(r"main|[0-9a-f]{40}", source.revision)


def test_shipped_weights_are_in_it():
    folder = Path(__file__).parents[2] / "assets" / "weights"
    shipped = {model.id: model for model in ENTRIES if model.shipped}
    assert set(shipped) == {path.stem for path in folder.glob("*.safetensors")}
    assert all(model.pages for model in shipped.values()), "its card says which pages use it"
    assert shipped["fashion_classifier"].parameters == pytest.approx(62_000 + 64 + 64 * 64, rel=0.1)


def test_a_catalog_is_read(tmp_path):
    (tmp_path / "catalog.toml").write_text(
        '[a]\ntask = "own"\narchitecture = { en = "x", es = "x" }\nparameters = 3\nlicence = "MIT"\n'
        'sources = [{ wheel = "p", folder = "f" }, { hub = "o/n", revision = "r" }]\n'
    )
    model = read_catalog(tmp_path / "catalog.toml")["a"]
    assert model.sources == (Source("wheel", "p", "f"), Source("hub", "o/n", revision="r"))
    assert [str(source) for source in model.sources] == ["wheel p", "hub o/n"]
    assert model.shipped is None


def test_an_unknown_key_is_an_error(tmp_path):
    (tmp_path / "catalog.toml").write_text('[a]\ntsak = "own"\nsources = []\n')
    with pytest.raises(TypeError, match="tsak"):
        read_catalog(tmp_path / "catalog.toml")


def test_a_folder_without_cards_has_no_models(tmp_path):
    assert read_cards(tmp_path) == {}
