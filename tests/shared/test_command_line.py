"""Any experiment, headless: the same lines for the same seed, files that can be opened, mistakes in one sentence."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.live import registry
from shared.live.__main__ import grid, main, save_view
from shared.live.experiment import Images, Plane, knobs
from shared.live.run import Run
from tests.shared.experiments import Walk

COMMAND = [sys.executable, "-m", "shared.live"]


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_lines_are_those_of_the_run_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["run", "tests/walk", "--seed", "7", "--steps", "25", "--every", "10", "--jsonl", "--set", "size=3"]) == 0
    )
    run, expected = Run(Walk, {"size": 3}, 7), []
    for step in range(26):
        if step in (0, 10, 20, 25):
            expected.append({"step": step, "metrics": run.frame().metrics})
        run.advance()
    assert lines(capsys.readouterr().out) == expected


def test_a_process_of_its_own_prints_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "tests/walk", "--seed", "7", "--steps", "20", "--every", "5", "--jsonl"]
    found = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=registry.ROOT, check=True)
    main(arguments)
    assert found.stdout == capsys.readouterr().out
    assert found.stderr == ""


def test_a_reader_who_goes_ends_it_quietly() -> None:
    arguments = ["run", "tests/walk", "--steps", "1000000000", "--every", "1", "--jsonl"]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=registry.ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_list_names_every_experiment_and_its_knobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for name in registry.catalogue():
        assert f"\n{name}  " in f"\n{said}"
        for each in knobs(registry.find(name).config_class()):
            assert f"    {each} = " in said
    assert "None" not in said
    assert "(none, stillborn, kill, hang, wait, nan, error, grow, end)  live" in said


def test_without_jsonl_a_person_can_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "tests/walk", "--steps", "1", "--every", "1"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["0", "radius"]
    assert second.split()[0] == "1"


def test_seconds_end_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "tests/walk", "--steps", "1000000000", "--seconds", "0.2", "--jsonl"])
    found = lines(capsys.readouterr().out)
    assert int(str(found[-1]["step"])) > 0


def test_a_run_that_is_done_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "tests/walk", "--set", "fate=end", "--set", "at=7", "--jsonl"])
    assert lines(capsys.readouterr().out)[-1]["step"] == 7


def test_save_writes_every_view_of_every_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        ["run", "tests/walk", "--seed", "7", "--steps", "2", "--every", "1", "--save", str(tmp_path / "new" / "folder")]
    )
    capsys.readouterr()
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {f"0000000{step}-{view}.npz" for step in range(3) for view in ("plane", "radius")}
    run = Run(Walk, {}, 7)
    run.advance()
    run.advance()
    with np.load(tmp_path / "new" / "folder" / "00000002-plane.npz") as arrays:
        assert arrays.files == ["points.walkers"]
        assert np.array_equal(arrays["points.walkers"], run.experiment.place.numpy())  # type: ignore[attr-defined]


def test_pictures_become_one_png(tmp_path: Path) -> None:
    pixels = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
    save_view(tmp_path / "samples", Images(pixels, columns=2))
    sheet = np.asarray(Image.open(tmp_path / "samples.png"))
    assert sheet.shape == (6, 6)
    assert np.array_equal(sheet[2:4, 3:6], pixels[3])
    assert not sheet[4:6, 3:6].any()
    save_view(tmp_path / "colour", Images(np.zeros((4, 2, 2, 3), np.uint8)))
    assert Image.open(io.BytesIO((tmp_path / "colour.png").read_bytes())).size == (4, 4)
    assert grid(np.zeros((10, 1, 1), np.uint8), 0).shape == (3, 4)


def test_every_array_of_a_plane_is_saved(tmp_path: Path) -> None:
    plane = Plane((0, 1, 0, 1), {"real": np.zeros((3, 2), np.float32)}, field=np.ones((2, 2), np.float32))
    save_view(tmp_path / "plane", plane)
    with np.load(tmp_path / "plane.npz") as arrays:
        assert sorted(arrays.files) == ["field", "points.real"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run tests/nothing", "There is no experiment called tests/nothing. There are: "),
        ("run tests/walk --set size=0", "size = 0 is out of range: it goes from 1 to 1000."),
        ("run tests/walk --set size=many", "size = many is not a valid value of type int."),
        ("run tests/walk --set fate=gold", "fate cannot be gold; it may be one of: none, stillborn"),
        ("run tests/walk --set colour=1", "There is no setting called colour. The settings are: scale, size"),
        ("run tests/walk --set size", "size is not of the form KNOB=VALUE."),
        ("run tests/walk --set fate=nan --set at=3", "radius stopped being a finite number at step 3"),
        ("run tests/walk --seed abc", "argument --seed: abc is not a whole number from 0 to 2147483647"),
        ("run tests/walk --seed -1", "argument --seed: -1 is not"),
        ("run tests/walk --seed 99999999999999999999999", "argument --seed: 99999999999999999999999 is not"),
        ("run tests/walk --every 0", "argument --every: 0 is not a whole number"),
        ("run tests/walk --steps -5", "argument --steps: -5 is not a whole number"),
        ("run tests/walk --save /dev/null/folder", "/dev/null"),
        ("run", "the following arguments are required: experiment"),
        ("dance", "invalid choice: 'dance'"),
        ("", "the following arguments are required: command"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_two(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(arguments.split())
    except SystemExit as end:
        status = int(end.code or 0)
    problem = capsys.readouterr().err
    assert status == 2
    assert said in problem
    assert problem.count("\n") == 1
