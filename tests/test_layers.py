"""The house keeps its order: who may import whom, how long things get, and what no file may do."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted(path for top in ("apps", "shared") for path in (ROOT / top).rglob("*.py"))
BROWSER = sorted(
    path for top in ("apps", "shared") for path in (ROOT / top).rglob("*") if path.suffix in (".js", ".css")
)
OURS = ("apps", "shared", "assets", "tests")

PAGE_LINES, EXPERIMENT_LINES, FUNCTION_LINES = 150, 350, 40

# Who may import whom, most particular first: (who, their own modules, other packages). <topic> is the importer's folder.
LAYERS = (
    (r"apps/(main|pages|course)\.py", ("apps", "shared.live", "shared.ui"), ("streamlit",)),
    (r"apps/[^/]+/page\.py", ("apps.<topic>", "shared.ui", "shared.live"), ("streamlit",)),
    (r"apps/.*", ("apps.<topic>", "shared.live.experiment", "shared.models", "shared.data"), ("torch", "numpy")),
    (r"shared/ui/.*", ("shared",), ("streamlit", "starlette")),
    (r"shared/live/stage/.*", ("shared.live", "shared.models", "shared.data"), ("streamlit", "starlette")),
    (
        r"shared/live/.*",
        ("shared.live", "shared.models", "shared.data"),
        ("torch", "numpy", "PIL", "psutil", "starlette"),
    ),
    (
        r"shared/(models|data)/.*",
        ("shared.models", "shared.data", "shared.live.messages"),
        ("torch", "numpy", "PIL", "safetensors"),
    ),
)
# Nobody but pages and the stage itself reaches up to these.
UPPER = {"shared.live.stage": r"shared/ui/.*|apps/(main|[^/]+/page)\.py|shared/live/stage/.*"}
PACKAGE_OF = {"PIL": "pillow"}
# Files of arbitrary objects run code when they are opened; eval and exec run what somebody wrote.
FORBIDDEN_IMPORTS = ("pickle", "cPickle", "dill", "joblib", "marshal", "shelve")
FORBIDDEN_CALLS = ("eval", "exec")
FORBIDDEN_ARGUMENTS = {"trust_remote_code": True, "weights_only": False, "allow_pickle": True}
LOADED_FROM_ELSEWHERE = re.compile(r"""(?:["'`(]|url\(|import\s)\s*(?:https?:)?//(?!www\.w3\.org/)\w[^\s"'`)]*""")


def place(path: Path) -> str:
    """A path as the house names it: from the root, with forward slashes."""
    return path.relative_to(ROOT).as_posix()


def imported(source: str) -> Iterator[str]:
    """Every module that a source imports, anywhere in it, with `from a import b` as both a and a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full, from the root"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def bad_imports(where: str, source: str) -> list[str]:
    """The imports that the layer of the file at `where` does not have."""
    ours, others = next((ours, others) for who, ours, others in LAYERS if re.fullmatch(who, where))
    topic = where.split("/")[1]
    ours = tuple(allowed.replace("<topic>", topic) for allowed in ours)
    bad = []
    for module in imported(source):
        top = module.split(".")[0]
        if top in OURS:
            upper = [who for package, who in UPPER.items() if within(module, package)]
            if not any(within(module, allowed) for allowed in ours) or not all(re.fullmatch(w, where) for w in upper):
                bad.append(module)
        elif top not in sys.stdlib_module_names and top not in others:
            bad.append(module)
    return bad


@pytest.mark.parametrize("path", [path for path in CODE if path.read_text(encoding="utf-8").strip()], ids=place)
def test_imports_go_one_way(path):
    where = place(path)
    assert any(re.fullmatch(who, where) for who, _, _ in LAYERS), f"{where} stands in no room of the house"
    assert bad_imports(where, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("apps/gans/points.py", "import streamlit as st"),
        ("apps/gans/points.py", "from shared.live.engine import the_engine"),
        ("apps/gans/points.py", "from apps.diffusion import schedule"),
        ("apps/gans/page.py", "import torch"),
        ("shared/live/engine.py", "def late():\n    from apps.gans import points"),
        ("shared/live/engine.py", "from shared.ui.frame import show"),
        ("shared/live/stream.py", "from shared.live.stage import stage"),
        ("shared/live/stream.py", "import streamlit"),
        ("shared/models/classifier.py", "from shared.live.experiment import Plain"),
        ("shared/data/points.py", "import requests"),
    ],
)
def test_a_wrong_import_is_seen(where, source):
    assert bad_imports(where, source) != []


def test_what_the_app_imports_is_pinned():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower() for line in pins if "==" in line}
    tops = {module.split(".")[0] for path in CODE for module in imported(path.read_text(encoding="utf-8"))}
    outside = {PACKAGE_OF.get(top, top).lower() for top in tops - set(sys.stdlib_module_names) - set(OURS)}
    assert outside <= pinned


def test_no_folder_hides_an_installed_package():
    """The entry script's folder is on sys.path, so `apps/transformers` would be imported for the package."""
    known = set(packages_distributions()) | set(sys.stdlib_module_names)
    known |= {"transformers", "gymnasium", "torchvision", "accelerate", "gguf", "mujoco", "ale_py", "ray"}
    names = {path.stem for path in (ROOT / "apps").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert (names - {"__init__", "__pycache__"}) & known == set()


def height(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def function_lengths(source: str) -> dict[str, int]:
    """Name → lines from `def` to the end, without the docstring, of each function."""
    lengths = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            lengths[f"{node.name}:{node.lineno}"] = height(node) - (height(node.body[0]) if documented else 0)
    return lengths


def test_functions_are_short():
    long = {
        f"{place(path)}:{name}": length
        for path in CODE
        for name, length in function_lengths(path.read_text(encoding="utf-8")).items()
        if length >= FUNCTION_LINES
    }
    assert long == {}, f"a function has fewer than {FUNCTION_LINES} lines, its docstring apart"


def test_a_long_function_is_seen():
    body = "    x = 1\n" * 39
    assert function_lengths(f'def f():\n    """What\n    it does."""\n{body}') == {"f:1": 40}


@pytest.mark.parametrize("path", [path for path in CODE if path.parent.parent.name == "apps"], ids=place)
def test_pages_and_experiments_fit(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (PAGE_LINES if path.name == "page.py" else EXPERIMENT_LINES)


def test_every_module_has_a_name_that_says_something():
    everything = [path for top in OURS for path in (ROOT / top).rglob("*.py")]
    vague = re.compile(r"(utils?|helpers?|common|misc)")
    assert [place(path) for path in everything if vague.fullmatch(path.stem) or vague.fullmatch(path.parent.name)] == []


@pytest.mark.parametrize("path", [path for path in CODE if path.name != "__init__.py"], ids=place)
def test_every_module_begins_with_a_sentence(path):
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert re.search(r"\w[^\n]*[.:!?]", words), "a module begins with one sentence that a student understands"


def loaded_from_elsewhere(source: str) -> list[str]:
    return LOADED_FROM_ELSEWHERE.findall(source)


@pytest.mark.parametrize("path", BROWSER, ids=place)
def test_nothing_in_the_browser_comes_from_another_server(path):
    assert loaded_from_elsewhere(path.read_text(encoding="utf-8")) == []


def test_a_foreign_address_is_seen():
    assert loaded_from_elsewhere('import d3 from "https://cdn.example.org/d3.js";')
    assert loaded_from_elsewhere("@import url(//fonts.example.org/a.css);")
    assert not loaded_from_elsewhere('const SVG = "http://www.w3.org/2000/svg"; // see https://example.org')


def unsafe(source: str) -> list[str]:
    """What a source does that could run code it was not given as code."""
    found = [module for module in imported(source) if module.split(".")[0] in FORBIDDEN_IMPORTS]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += [node.func.id] if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS else []
            for argument in node.keywords:
                value = getattr(argument.value, "value", None)
                if argument.arg in FORBIDDEN_ARGUMENTS and value is FORBIDDEN_ARGUMENTS[argument.arg]:
                    found.append(f"{argument.arg}={value}")
    return found


@pytest.mark.parametrize("path", CODE, ids=place)
def test_no_file_runs_what_it_reads(path):
    assert unsafe(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from pickle import loads", "eval('1')", "exec(x)", "torch.load(p, weights_only=False)",
     "np.load(p, allow_pickle=True)", "AutoModel.from_pretrained(p, trust_remote_code=True)"],
)  # fmt: skip
def test_unsafe_code_is_seen(source):
    assert unsafe(source) != []


def test_safe_code_is_not():
    assert unsafe("model.eval()\ntorch.load(p, weights_only=True)") == []
