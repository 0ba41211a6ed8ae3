"""Past states of a real project: DVC's experiments and cache, Git's commits, MLflow's runs."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from tests.small_project import Project, synced_fixture  # noqa: F401

pytestmark = pytest.mark.pipeline
LAYERS = ("conv", "in.ner")


@pytest.fixture(scope="module")
def project(synced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """HEAD~1 has gain 2, HEAD 3, the experiment `six` 6; 7, which lies here, is in no commit and no experiment."""
    made = synced.copy(tmp_path_factory.mktemp("versus") / "project")
    made.set_gain(3)
    made.dvc("repro")
    made.commit()
    made.dvc("exp", "run", "-n", "six", "-S", "gain=6")
    made.dvc("exp", "run", "-n", "seven", "-S", "gain=7")
    made.run("git", "update-ref", "-d", ref(made, "seven"))
    return made


def ref(project: Project, name: str) -> str:
    refs = project.run("git", "for-each-ref", "--format=%(refname)").stdout.split()
    return next(one for one in refs if one.endswith(f"/{name}"))


def versus(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return project.run(sys.executable, "-m", "cnnviz.versus", *words, "--no-open")


def page(project: Project, *words: str) -> tuple[str, list[dict[str, str]]]:
    """What the page says and the rows of its table."""
    done = versus(project, *words, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with (project.folder / "out/filters.csv").open(newline="") as file:
        return (project.folder / "out/index.html").read_text(encoding="utf-8"), list(csv.DictReader(file))


def check(found: list[dict[str, str]], a: float, b: float, model: str = "one") -> None:
    """Scores of tests.small_stages: robust gain times 1, -2 and none; the last gain * sqrt(40) * (1 + k) + i."""
    found = [row for row in found if row["model"] == model]
    assert [(row["layer"], row["filter"]) for row in found] == [(name, str(k)) for name in LAYERS for k in range(3)]
    for row in found:
        k, i = int(row["filter"]), LAYERS.index(row["layer"])
        assert row["status_a"] == row["status_b"] == ("ok", "weak", "dead")[k]
        for side, gain in (("a", a), ("b", b)):
            assert float(row[f"score_{side}"]) == pytest.approx(gain * 40**0.5 * (1 + k) + i, rel=1e-5)
            assert row[f"robust_score_{side}"] == (f"{gain:g}", f"{-2 * gain:g}", "")[k]
        assert row["robust_score_better"] == ("B" if (b > a) == (k == 0) else "A", "A" if b > a else "B", "")[min(k, 2)]
        assert row["score_better"] == ("B" if b > a else "A")
        assert row["same_picture"] == "1"


def values(text: str, name: str) -> list[str]:
    """Of a param that differs, in A and B."""
    row = re.search(rf"<td class=\"long\">{name}</td><td class=\"long\">(.*?)</td><td class=\"long\">(.*?)</td>", text)
    assert row, text[:3000]
    return [row[1], row[2]]


def test_two_commits(project: Project) -> None:
    text, found = page(project, "HEAD~1", "HEAD")
    check(found, 2, 3)
    check_two = [row for row in found if row["model"] == "two"]
    assert len(check_two) == 9
    assert values(text, "gain") == ["2", "3"]
    assert text.count("Network: the same") == text.count("Natural images: the same") == 2
    assert text.count("Code of the stages: the same") == 2
    assert "3.11.1" not in text  # the packages of both are known, and the same


def test_an_experiment_and_the_compare_page_of_mlflow(project: Project) -> None:
    text, found = page(project, "six", "HEAD:one")
    check(found, 6, 3)
    assert "experiment six" in text
    address = re.search(r'href="(http://127\.0\.0\.1:5000/#/compare-runs\?[^"]+)"', text)
    assert address
    runs, experiments = (json.loads(x) for x in re.findall(r"(\[.*?\])", unquote(address[1])))
    known = project.runs()
    assert [known[run]["tags"]["model"] for run in runs] == ["one", "one"]
    gains = [project.query("SELECT value FROM params WHERE key = 'gain' AND run_uuid = ?", run)[0][0] for run in runs]
    assert gains == ["6", "3"]
    assert known[runs[0]]["name"] == "one · six"
    assert [[int(one)] for one in experiments] == [
        list(row) for row in project.query("SELECT experiment_id FROM experiments WHERE name = 'cnnviz'")
    ]


def test_this_folder_and_a_run_by_its_name_and_id(project: Project) -> None:
    text, found = page(project, "one · six")
    check(found, 6, 7)
    assert "run one · six" in text
    assert "this folder" in text
    run = next(key for key, one in project.runs().items() if one["name"] == "one · six")
    check(page(project, run[:9], "HEAD")[1], 6, 3)
    stage = next(key for key, one in project.runs().items() if one["name"] == "maximize@one · six")
    check(page(project, stage, "HEAD~1")[1], 6, 2)


def test_a_run_whose_state_no_commit_and_no_experiment_holds(project: Project) -> None:
    check(page(project, "one · seven", "HEAD")[1], 7, 3)  # it lies here
    project.run("git", "stash")
    project.dvc("checkout")
    try:
        text, found = page(project, "one · seven", "HEAD")
    finally:
        project.run("git", "stash", "pop")
        project.dvc("checkout")
    check(found, 7, 3)
    assert values(text, "gain") == ["7", "3"]
    assert "Code of the stages: unknown whether it is the same" in text
    assert "Network: the same" in text
    assert "compare-runs" in text


def test_a_wrong_name_and_one_of_two_states(project: Project) -> None:
    done = versus(project, "sx", "HEAD")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "nearest: six" in done.stderr
    project.run("git", "branch", "six", "HEAD")
    try:
        done = versus(project, "six", "HEAD")
    finally:
        project.run("git", "branch", "-D", "six")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the name of several states; give the commit of one" in done.stderr


def test_files_that_are_gone(project: Project) -> None:
    cache, away = project.folder / ".dvc/cache", project.folder / "away"
    cache.rename(away)
    try:
        done = versus(project, "HEAD~1:one", "HEAD")
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        away.rename(cache)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "HEAD~1:one: its maximized filters of one are not in DVC's cache" in done.stderr
    assert "dvc fetch -A maximize@one" in done.stderr
    with np.load(Path(project.folder, "artifacts/maximize/one/conv.npz")) as stored:
        assert stored["robust_score"][0] == 7  # nothing here was touched
