"""The house keeps its order: who may import whom, how long things get, and what no file may do."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("apps", "shared", "assets", "tests")
PAGE_LINES, EXPERIMENT_LINES, FUNCTION_LINES = 150, 350, 40

LOWEST = ("shared.models", "shared.data")
MODEL_PACKAGES = ("tokenizers", "gguf", "filelock", "huggingface_hub", "httpx2")
SIMULATORS = ("gymnasium", "ale_py", "mujoco")
# Who may import whom, the first that fits: (files, modules of ours, other packages). <topic> is the file's own folder.
LAYERS = (
    (r"apps/(main|pages|course)\.py", ("apps", "shared.live", "shared.ui"), ("streamlit",)),
    (r"apps/[^/]+/(page|formulas)\.py", ("apps.<topic>", "shared.ui", "shared.live", *LOWEST), ("streamlit",)),
    (r"apps/reinforcement/.*", ("apps.<topic>", "shared.live.experiment", *LOWEST), ("torch", "numpy", *SIMULATORS)),
    (r"apps/.*", ("apps.<topic>", "shared.live.experiment", *LOWEST), ("torch", "numpy")),
    (r"shared/ui/.*", ("shared",), ("streamlit", "starlette")),
    (r"shared/live/stage/.*", ("shared.live", *LOWEST), ("streamlit", "starlette")),
    (r"shared/live/.*", ("shared.live", *LOWEST), ("torch", "numpy", "PIL", "psutil", "starlette")),
    (r"shared/models/.*", ("shared.live.messages", *LOWEST), ("torch", "numpy", "safetensors", *MODEL_PACKAGES)),
    (r"shared/data/.*", ("shared.live.messages", *LOWEST), ("torch", "numpy", "PIL", "safetensors")),
)
# The stage stands above the rest of shared/live: only these reach it.
ABOVE_STAGE = r"shared/(ui|live/stage)/.*|apps/(main|[^/]+/page)\.py"
# A file of pickled objects runs code when it is opened; eval and exec run whatever somebody wrote.
FORBIDDEN_IMPORTS = ("pickle", "cPickle", "dill", "joblib", "marshal", "shelve")
FORBIDDEN_CALLS = ("eval", "exec")
FORBIDDEN_ARGUMENTS = {"trust_remote_code": True, "weights_only": False, "allow_pickle": True}
FOREIGN = re.compile(r"""(?:["'`(]|import\s)\s*(?:https?:)?//(?!www\.w3\.org/)\w[^\s"'`)]*""")
VAGUE = re.compile(r"(utils?|helpers?|common|misc)")
PACKAGE_OF = {"PIL": "pillow", "huggingface_hub": "huggingface-hub", "ale_py": "ale-py"}


def sources(*suffixes: str) -> dict[str, str]:
    """Path from the root → text of each file of the app."""
    paths = (path for top in ("apps", "shared") for path in sorted((ROOT / top).rglob("*")))
    return {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in paths if p.suffix in suffixes}


def offences(check: Callable[[str, str], list[str]], *suffixes: str) -> dict[str, list[str]]:
    """Path → what `check(path, text)` finds wrong, for the files where it finds something."""
    return {where: found for where, text in sources(*suffixes).items() if (found := check(where, text))}


def imported(source: str) -> Iterator[str]:
    """Every module that a source imports, anywhere in it; `from a import b` is a.b, be it a module or not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def bad_imports(where: str, source: str) -> list[str]:
    """The imports that the layer of the file at `where` does not have."""
    layer = next((layer for layer in LAYERS if re.fullmatch(layer[0], where)), None)
    if layer is None:
        return list(imported(source))
    ours = [allowed.replace("<topic>", where.split("/")[1]) for allowed in layer[1]]
    bad = []
    for module in imported(source):
        top = module.split(".")[0]
        if within(module, "shared.live.stage") and not re.fullmatch(ABOVE_STAGE, where):
            bad.append(module)
        elif top not in sys.stdlib_module_names and top not in layer[2]:
            bad += [] if any(within(module, allowed) for allowed in ours) else [module]
    return bad


def test_imports_go_one_way():
    assert offences(bad_imports, ".py") == {}


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("apps/gans/points.py", "import streamlit as st"),
        ("apps/gans/points.py", "from shared.live.engine import the_engine"),
        ("apps/gans/points.py", "from apps.diffusion import schedule"),
        ("apps/gans/points.py", "from . import page"),
        ("apps/gans/page.py", "import torch"),
        ("shared/live/engine.py", "def late():\n    from apps.gans import points"),
        ("shared/live/engine.py", "from shared.ui.frame import show"),
        ("shared/live/stream.py", "from shared.live.stage import stage"),
        ("shared/live/stream.py", "import streamlit"),
        ("shared/models/classifier.py", "from shared.live.experiment import Plain"),
        ("shared/data/points.py", "import requests"),
        ("shared/attic/old.py", "import shared.live.engine"),
    ],
)
def test_a_wrong_import_is_seen(where, source):
    assert bad_imports(where, source) != []


def test_what_the_app_imports_is_pinned():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].split("[")[0] for line in lines if "==" in line}  # name[extras]==version
    tops = {module.split(".")[0] for source in sources(".py").values() for module in imported(source)}
    assert {PACKAGE_OF.get(top, top) for top in tops - set(sys.stdlib_module_names) - set(OURS)} <= pinned


def test_no_folder_hides_an_installed_package():
    """The entry script's folder is on sys.path, so `apps/transformers` would be imported for the package."""
    known = set(packages_distributions()) | set(sys.stdlib_module_names)
    known |= {"transformers", "gymnasium", "torchvision", "accelerate", "gguf", "mujoco", "ale_py", "ray"}
    names = {path.stem for path in (ROOT / "apps").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert (names - {"__init__", "__pycache__"}) & known == set()


def height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def long_functions(_: str, source: str) -> list[str]:
    """Each function of FUNCTION_LINES or more from `def` to its end, the docstring apart."""
    long = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = height(node) - (height(node.body[0]) if ast.get_docstring(node) is not None else 0)
            long += [f"{node.name}: {lines} lines"] if lines >= FUNCTION_LINES else []
    return long


def test_functions_are_short():
    assert offences(long_functions, ".py") == {}


def test_a_long_function_is_seen():
    documented = 'def f():\n    """What\n    it does."""\n'
    assert long_functions("", documented + "    x = 1\n" * (FUNCTION_LINES - 1)) == [f"f: {FUNCTION_LINES} lines"]
    assert long_functions("", documented + "    x = 1\n" * (FUNCTION_LINES - 2)) == []


def too_tall(where: str, source: str) -> list[str]:
    limit = PAGE_LINES if where.endswith("/page.py") else EXPERIMENT_LINES
    lines = len(source.splitlines())
    return [f"{lines} lines, at most {limit}"] if re.fullmatch(r"apps/[^/]+/[^/]+", where) and lines > limit else []


def test_pages_and_experiments_fit():
    assert offences(too_tall, ".py") == {}
    assert too_tall("apps/gans/page.py", "\n" * (PAGE_LINES + 1)) != []


def test_every_name_says_something():
    everything = [path.relative_to(ROOT) for top in OURS for path in (ROOT / top).rglob("*.py")]
    assert [path for path in everything if any(map(VAGUE.fullmatch, (path.stem, path.parent.name)))] == []


def unexplained(where: str, source: str) -> list[str]:
    words = ast.get_docstring(ast.parse(source)) or ""
    return [] if re.match(r"\w.*[.:!?]", words) or where.endswith("__init__.py") else ["no first sentence"]


def test_every_module_begins_with_a_sentence():
    assert offences(unexplained, ".py") == {}


def foreign_addresses(_: str, source: str) -> list[str]:
    """What a browser file would load from another server."""
    return FOREIGN.findall(source)


def test_nothing_in_the_browser_comes_from_another_server():
    assert offences(foreign_addresses, ".js", ".css") == {}


def test_a_foreign_address_is_seen():
    assert foreign_addresses("", 'import d3 from "https://cdn.example.org/d3.js";')
    assert foreign_addresses("", "@import url(//fonts.example.org/a.css);")
    assert not foreign_addresses("", 'const SVG = "http://www.w3.org/2000/svg"; // after https://example.org')


def unsafe(_: str, source: str) -> list[str]:
    """What could run code that came as data."""
    found = [module for module in imported(source) if module.split(".")[0] in FORBIDDEN_IMPORTS]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += [node.func.id] if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS else []
            given = {argument.arg: getattr(argument.value, "value", None) for argument in node.keywords}
            found += [name for name, value in FORBIDDEN_ARGUMENTS.items() if given.get(name) is value]
    return found


def test_no_file_runs_what_it_reads():
    assert offences(unsafe, ".py") == {}


def test_unsafe_code_is_seen():
    assert unsafe("", "import pickle") and unsafe("", "from pickle import loads")
    assert unsafe("", "eval('1')") and unsafe("", "exec(text)")
    assert unsafe("", "torch.load(path, weights_only=False)") and unsafe("", "np.load(path, allow_pickle=True)")
    assert unsafe("", "Model.from_pretrained(path, trust_remote_code=True)")
    assert unsafe("", "model.eval()\ntorch.load(path, weights_only=True)") == []
