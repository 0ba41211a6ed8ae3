"""Two folders, two models, two steps: what the page says, against numbers that were put into the files."""

import csv
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.files import write_json
from cnnviz.versus import __main__ as command
from cnnviz.versus import page
from tests.versus import states

Versus = Callable[..., list[str]]
SIX = [0, 1, 2, 3, 4, 5]
EVIL = "<img src=x onerror=alert(1)>&"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This folder: filters 0 to 5 of `conv`, robust scores 1 to 6."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    states.model(folder, "net", {"conv": {"filters": SIX, "robust_score": [1, 2, 3, 4, 5, 6]}})
    states.lock(folder, ["net"])
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Another clone, with 100 steps and scores half as large."""
    folder = tmp_path / "there"
    given = {"filters": [*SIX, 9], "robust_score": [0.5, 1, 1.5, 2, 2.5, 3, 7], "grey": [0, 9, 9, 9, 9, 9, 9]}
    states.model(folder, "net", {"conv": given, "more": {"filters": [0]}}, steps=100)
    states.lock(folder, ["net"], steps=100, code="2")
    return folder


@pytest.fixture
def versus(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Versus:
    """Run the command: the lines that it says, or the one line of its error."""
    monkeypatch.setattr(command, "drop_chatter", lambda: None)

    def run(*words: object, fails: bool = False) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["versus", *map(str, words), "--no-open"])
        if fails:
            with pytest.raises(SystemExit) as ended:
                command.main()
            assert "\n" not in str(ended.value)
            return [str(ended.value)]
        command.main()
        return capsys.readouterr().out.splitlines()

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "filters.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def html(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def texts(folder: Path) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html(folder)).split())


def test_another_clone(here: Path, there: Path, versus: Versus) -> None:
    lines = versus(there, ".", "--out", "out")
    assert lines[:3] == [f"A: {there}", "B: this folder", "net: 6 filters on both sides, 1 the same picture"]
    assert "  B is better: robust_score" in lines
    assert "  maximize.steps: 100 in A, 64 in B" in lines
    # all six changed alike: 2 of 2**6 ways; six scores were told apart from chance in none but this one
    assert "  robust_score: median 1.75 -> 3.5, B is better (p = 0.031), better in A 0, in B 6 of 6" in lines
    found = rows(here / "out")
    assert [row["robust_score_a"] for row in found] == ["0.5", "1", "1.5", "2", "2.5", "3"]
    assert [row["robust_score_b"] for row in found] == ["1", "2", "3", "4", "5", "6"]
    assert {row["robust_score_better"] for row in found} == {"B"}
    assert {row["seed_stability_better"] for row in found} == {""}
    assert [row["same_picture"] for row in found] == ["1", "0", "0", "0", "0", "0"]
    said = texts(here / "out")
    assert "1 filter only in A: conv 9" in said
    assert "1 layer only in A: more" in said
    assert "cnnviz/maximize, cnnviz/models differ." in said
    assert "Network: the same" in said
    for letter, grey in (("a", 9), ("b", 1)):
        with Image.open(here / "out" / "pictures" / f"0-1{letter}.png") as picture:
            assert np.array_equal(np.asarray(picture), np.full((8, 8, 3), grey))


def test_the_other_way_round(here: Path, there: Path, versus: Versus) -> None:
    assert "  A is better: robust_score" in versus(".", there)


def test_two_steps(here: Path, versus: Versus) -> None:
    lines = versus(".@1", "@10", "--out", "out")
    assert lines[:2] == ["A: this folder, step 1", "B: this folder, step 10"]
    assert [line for line in lines if ": median" in line] == [
        "  score: median 1 -> 2, B is better (p = 0.031), better in A 0, in B 6 of 6"
    ]
    assert rows(here / "out")[0]["score_a"] == "1"
    with Image.open(here / "out/pictures/0-3a.png") as one, Image.open(here / "out/pictures/0-3b.png") as other:
        assert (one.getpixel((0, 0)), other.getpixel((0, 0))) == ((1, 1, 1), (2, 2, 2))
    (line,) = versus(".@1", ".@11", fails=True)
    assert line == "error: conv.npz: step 11 was not kept; kept: 1, 10, 64"
    versus(".@10", ".@64", "--out", "out")
    assert rows(here / "out")[0]["score_b"] == "3"


def test_two_models_two_layers(here: Path, versus: Versus) -> None:
    states.model(here, "other", {"conv": {"filters": [1, 2, 7]}, "last": {"filters": [4]}}, digest="e")
    states.lock(here, ["net", "other"])
    lines = versus(".:net", ".:other", "--out", "out")
    assert (
        lines[1:3]
        == ["B: this folder, other", "net and other: 3 filters on both sides, 0 the same picture"][:1] + lines[2:3]
    )
    assert "net and other: 2 filters on both sides" in lines[2]
    assert "not compared: it is in the units of its own network, and these are two" in "".join(lines)
    said = texts(here / "out")
    assert "4 filters only in A: conv 0, 3, 4, 5" in said
    assert "1 filter only in B: conv 7" in said
    assert "a filter and that of the same number in the other need not look for the same thing" in said
    assert "net: 1 filters" in versus(":net/conv", ":other/last")[2].replace("net and other", "net")
    (line,) = versus(".:net", ".:othr", fails=True)
    assert "othr" in line
    assert line.endswith("nearest: other")
    (line,) = versus(":net/conv", ":other/lst", fails=True)
    assert line.endswith("no rendered layer 'lst' of other; nearest: last")


def test_two_sizes_and_other_images(here: Path, there: Path, versus: Versus) -> None:
    states.model(there, "net", {"conv": {"filters": SIX, "size": 12}}, size=12)
    versus(there, ".", "--out", "out")
    said = texts(here / "out")
    assert "Made at two sizes, shown at the same: 12 × 12 px in A, 8 × 8 px in B (conv)." in said
    assert "not compared: canvases of two sizes" in said
    (there / "artifacts/images/images.json").write_text('{"photos": {"sha256": "6"}}')
    lines = versus(there, ".")
    assert sum("not compared: on other natural images" in line for line in lines) == 5
    (there / "artifacts/images/images.json").unlink()
    lines = versus(there, ".")
    assert sum("not compared: whether the natural images are the same is unknown" in line for line in lines) == 5


def test_only_the_seed(here: Path, there: Path, versus: Versus) -> None:
    states.model(there, "net", {"conv": {"filters": SIX}}, seed=1)
    states.lock(there, ["net"])
    versus(there, ".", "--out", "out")
    assert "the two differ by nothing but the seed of the noise" in texts(here / "out")


def test_a_changed_params_file_is_said(here: Path, there: Path, versus: Versus) -> None:
    assert "params.yaml" not in "".join(versus(there, "."))
    file = here / "params.yaml"
    file.write_text(file.read_text().replace("steps: 64", "steps: 65"))
    assert versus(there, ".")[-2] == "this folder was made with other values than params.yaml has now: maximize.steps"


def test_a_measurement_that_has_no_state_yet_is_given_to_none(here: Path, there: Path, versus: Versus) -> None:
    file = here / ".cache/timings/maximize@net.json"
    times = dict.fromkeys(("seconds", "network_seconds", "peak_memory_mb", "started", "ended", "cpu_seconds"), 1)
    write_json(file, {**times, "cpu": "a processor"})
    before = file.read_bytes()
    versus(there, ".", "--out", "out")
    assert "made on processor unknown unknown" in texts(here / "out")
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("words", [("nothing",), ("nothing:net",), (".", ":nte"), ("/no/such/folder",)])
def test_what_is_not_there(here: Path, versus: Versus, words: tuple[str, ...]) -> None:
    (line,) = versus(*words, fails=True)
    assert line.startswith("error: ")
    assert "expected an experiment" in line or "nearest: net" in line


def test_a_folder_of_something_else_is_left_alone(here: Path, there: Path, versus: Versus) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "index.html").write_text("mine")
    (line,) = versus(there, ".", "--out", "mine", fails=True)
    assert line == "error: mine: there is something else; expected an empty or a new folder"
    assert (here / "mine" / "index.html").read_text() == "mine"


def test_damaged_and_unexpected_arrays(here: Path, there: Path, versus: Versus) -> None:
    file = there / "artifacts/maximize/net/conv.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    (line,) = versus(there, ".", fails=True)
    assert line.startswith(f"error: {file}: damaged (")
    with np.load(here / "artifacts/maximize/net/conv.npz") as stored:
        arrays = dict(stored)
    for other in (
        {"images": arrays["images"][:3]},
        {"images": arrays["images"].astype(np.uint16)},
        {"images": arrays["images"][:, :, :0]},
        {"images": arrays["images"][..., :1], "snapshots": arrays["snapshots"][:, :0]},
        {"images": arrays["images"][..., :1], "snapshots": arrays["snapshots"][..., :1]},
        {"snapshot_scores": arrays["snapshot_scores"][:, :2]},
        {"snapshot_steps": arrays["snapshot_steps"][:0]},
        {"filters": np.zeros(6, np.int32)},
    ):
        np.savez(file, **{**arrays, **other})
        (line,) = versus(there, ".", fails=True)
        assert line.startswith(f"error: {file}: damaged ("), other
    np.savez(file, filters=np.array([{}], object))
    (line,) = versus(there, ".", fails=True)
    assert "it holds pickled objects, which are not opened" in line


def test_texts_of_others_stay_texts(here: Path, there: Path, versus: Versus) -> None:
    for folder, reason in ((here, ""), (there, EVIL)):
        layers = {EVIL: {"filters": [0], "status": ["weak"], "reason": [reason]}}
        states.model(folder, "net", layers, optimizer=EVIL if reason else "adam")
    states.lock(there, ["net"], steps=EVIL)
    versus(there, ".", "--out", "out")
    found = html(here / "out")
    assert "<img src=x" not in found
    assert found.count("&lt;img src=x onerror=alert(1)&gt;&amp;") >= 5
    assert not [path for path in (here / "out").rglob("*") if "onerror" in path.name]


def test_names_can_not_leave_their_folder() -> None:
    names = ["../../x", "/etc/passwd", "..", ".", "", "a/../../b:c/d@1", "~/x", ".:vgg16@10"]
    found = {given: page.folder_of(given, given) for given in names}
    assert all(path.parent == Path(".cache/versus") and ".." not in path.parts for path in found.values())
    assert found[".:vgg16@10"].name == "here-vgg16-10--here-vgg16-10"
    assert found["../../x"].name == "x--x"
