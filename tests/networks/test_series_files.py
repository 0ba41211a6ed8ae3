"""Series by patterns: one state in two files, and a line where there are none."""

import shutil
import zipfile
from pathlib import Path

import pytest

import cnnviz
from cnnviz import add
from cnnviz.errors import InputError
from cnnviz.networks import load, read_description, series
from tests.networks import test_series
from tests.networks.test_series import RUN, refused, same, states, stored

run, saved, watched = test_series.run, test_series.saved, test_series.watched  # fixtures
NET = "inputs/models/net.keras"
BOTH = {"checkpoints": f"{RUN}/epoch_*", "architecture": NET}


def test_a_state_that_is_there_whole_and_as_weights_counts_once(run: Path) -> None:
    shutil.copy(run / "epoch_2.keras", NET)
    for name, one in zip(("epoch_2", "epoch_9", "epoch_10"), states(3), strict=True):
        one.save_weights(run / f"{name}.weights.h5")
    (run / "epoch_9.keras").unlink()
    folder = stored(**BOTH)
    described = read_description(folder)
    files = ["epoch_2.keras", "epoch_9.weights.h5", "epoch_10.keras"]
    assert [one["file"] for one in described["checkpoints"]] == files
    for i, one in enumerate(states(3)):
        with series.Stored(folder).at(i) as place:
            assert same(load(place)[0], one)
    notes = " ".join(described["notes"])
    for name in ("epoch_2", "epoch_10"):
        assert f"{name}.weights.h5 is the same state as {name}.keras: it counts once" in notes
    assert "a series of 3 checkpoints" in notes
    with pytest.warns(UserWarning, match="is the same state as") as said:
        life = cnnviz.life(BOTH["checkpoints"], "first", [0], preprocessing="unit", steps=1, architecture=NET)
    assert len([one for one in said if "the same state" in str(one.message)]) == 2
    assert life.checkpoints == ["epoch_2", "epoch_9", "epoch_10"]
    assert life.images.shape[1] == 3


def test_one_name_for_two_states_is_refused(run: Path) -> None:
    shutil.copy(run / "epoch_2.keras", NET)
    states(2)[1].save_weights(run / "epoch_2.weights.h5")
    line = refused(**BOTH)
    assert "epoch_2.keras' and 'inputs/models/run1/epoch_2.weights.h5' have one name and other weights" in line


def test_a_copy_under_another_name_is_said(run: Path) -> None:
    shutil.copy(run / "epoch_9.keras", run / "best.keras")
    described = read_description(stored())
    assert [one["name"] for one in described["checkpoints"]] == ["best", "epoch_2", "epoch_9", "epoch_10"]
    assert "epoch_9.keras has the weights of best.keras; leave out what is a copy" in described["notes"]


def line(pattern: str) -> str:
    said = refused(checkpoints=pattern)
    return said.removeprefix("params.yaml: models.mine.checkpoints: ")


EXPECTED = "expected a folder that cnnviz.FilterWatch wrote, or a pattern of model files"


def test_where_there_is_nothing_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RUN.mkdir(parents=True)
    remedy = f"train with cnnviz.FilterWatch('{RUN}'), or copy model files there: {RUN}/*.keras"
    assert line(str(RUN)) == f"'{RUN}' is empty; {EXPECTED}; {remedy}"
    assert line(f"{RUN}/*.keras") == f"'{RUN}/*.keras': no file matches; '{RUN}' is empty; {EXPECTED}; {remedy}"
    with pytest.raises(InputError, match=f"^{RUN}: is empty, and no network.keras; expected a folder that"):
        add.series_at_home(RUN)
    for name in "abcde":
        (RUN / f"{name}.txt").touch()
    assert line(str(RUN)).startswith(f"'{RUN}' has a.txt, b.txt, c.txt, d.txt and 1 more; {EXPECTED}; train")


def test_where_there_is_something_else(run: Path) -> None:
    has = f"'{RUN}' has epoch_10.keras, epoch_2.keras, epoch_9.keras"
    pattern = f"give a pattern: {RUN}/*.keras"
    assert line(str(RUN)) == f"'{RUN}' has no network.keras, as cnnviz.FilterWatch writes it; of other files {pattern}"
    assert line(f"{RUN}/*.h5") == f"'{RUN}/*.h5': no file matches; {has}; {EXPECTED}; {pattern}"
    there = "'inputs/models' has run1/"
    assert line("inputs/models/run2/*.keras").startswith(
        f"'inputs/models/run2/*.keras': no file matches; {there}; {EXPECTED}; train with "
        "cnnviz.FilterWatch('inputs/models/run2'), or copy model files there: inputs/models/run2/*.keras"
    )
    assert line("inputs/models/run2").startswith(f"'inputs/models/run2': there is no such folder or file; {there}; ")
    assert line(f"{RUN}/epoch_2.keras/*").startswith(
        f"'{RUN}/epoch_2.keras/*': no file matches, '{RUN}/epoch_2.keras' is a file; {EXPECTED}"
    )
    for path in run.iterdir():
        path.rename(path.with_suffix(".weights.h5"))
    assert line(str(RUN)).endswith(f"of other files give a pattern: {RUN}/*.weights.h5, and their `architecture`")


def test_a_watched_training_without_its_network(watched: Path) -> None:
    assert line(f"{RUN}/*.h5").endswith(f"; give {RUN}, which is of a watched training")
    (watched / "network.keras").unlink()
    assert line(str(RUN)) == (
        f"'{RUN}' has 3 states of a watched training, but not their network.keras; copy it there again, "
        "or go on training in the folder, which writes it"
    )


def test_a_configuration_that_unpacks_to_much_is_not_unpacked(tmp_path: Path) -> None:
    file = tmp_path / series.NETWORK
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b'{"a": "' + bytes(20 << 20) + b'"}')
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(InputError, match=r"config\.json"):
        series.configured(file)
