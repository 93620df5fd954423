"""The hub's files are taken from its local cache, offline too, or downloaded; what else there is stays there."""

import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.shared.tiny_models import ROOT, write_files

COMMIT = "0123456789abcdef0123456789abcdef01234567"

# Another process, as the hub's library reads its environment once. For each revision asked for it prints the files it
# got and the largest share it was told of, or what went wrong.
ASK = """
import json, sys
from pathlib import Path
from shared.live.messages import Plain
from shared.models.cache import Cache
from shared.models.catalog import Model, Source
for revision in sys.argv[2:]:
    model = Model("tiny", "own", "tiny", 10, "MIT", (Source("hub", "someone/tiny", revision=revision),))
    cache, told = Cache(Path(sys.argv[1]) / revision, {"tiny": model}, 10**9), []
    try:
        cache.warm("tiny", told.append)
        print(json.dumps([sorted(path.name for path in (cache.folder / "tiny").iterdir()), max(told)]))
    except Plain as problem:
        print(json.dumps([problem.code, str(problem)]))
"""


def ask(folder: Path, *revisions: str, **environment: str) -> list:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", ASK, str(folder / "cache"), *revisions],
        env=os.environ | {"PYTHONPATH": path, "HF_HOME": str(folder / "hub"), "HF_HUB_DISABLE_XET": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


WHOLE = ["config.json", "manifest.json", "model.safetensors", "tokenizer.json"]


@pytest.mark.processes
def test_the_local_hub_cache_is_enough(tmp_path):
    """Laid out as the hub's library does it; where the revision is not there, main will do."""
    repository = tmp_path / "hub" / "hub" / "models--someone--tiny"
    write_files(repository / "snapshots" / COMMIT)
    (repository / "snapshots" / COMMIT / "pytorch_model.bin").write_bytes(b"never touched")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    assert ask(tmp_path, "main", COMMIT, "another", HF_HUB_OFFLINE="1") == [[WHOLE, 1.0]] * 3


@pytest.mark.processes
@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_network_it_says_what_to_do(tmp_path, environment):
    ((code, said),) = ask(tmp_path, "main", **environment)
    assert code == "model_offline"
    assert "someone/tiny" in said and "python -m shared.models warm tiny" in said


class Hub(SimpleHTTPRequestHandler):
    """The part of the hub's interface that a download asks for: /owner/name/resolve/<revision>/<file>."""

    def end_headers(self) -> None:
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{abs(hash(self.path)):032x}"')
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.mark.processes
def test_a_download_brings_the_files_and_nothing_else(tmp_path):
    served = tmp_path / "served" / "someone" / "tiny" / "resolve" / "main"
    write_files(served, megabytes=12)
    (served / "pytorch_model.bin").write_bytes(b"never asked for")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=tmp_path / "served"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert ask(tmp_path, "main", HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}") == [[WHOLE, 1.0]]
    finally:
        server.shutdown()
    got = tmp_path / "cache" / "main" / "tiny" / "model.safetensors"
    assert got.read_bytes() == (served / "model.safetensors").read_bytes()
    assert not (tmp_path / "hub" / "hub").exists(), "kept twice"
