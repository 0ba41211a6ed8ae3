"""The user's three lines for real: a training, `python -m cnnviz.add`, `make repro` with DVC and MLflow."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from cnnviz.files import read_json
from tests.clone import ROOT, VENV, Clone

pytestmark = [pytest.mark.pipeline, pytest.mark.long]
TRAIN = """
import sys
sys.path.insert(0, sys.argv[1])
import keras
from pathlib import Path
import cnnviz
from tests.epochs.trained_project import network, write_images
images, labels = write_images(Path("inputs/images/tones"))
model = network(0)
if Path("runs/kept.keras").exists():
    model = keras.models.load_model("runs/kept.keras")
model.fit(images, labels, epochs=int(sys.argv[2]), batch_size=4, verbose=0, callbacks=[cnnviz.FilterWatch("runs/mine")])
model.save("runs/kept.keras")
"""
PARAMS = {
    "models": {},
    "images": {"sets": {"tones": {"folder": "inputs/images/tones"}}},
    "fixed_filters": {"set": "tones", "images": 2},
    "feature_maps": {"images": [0]},
    "maximize": {"size": "auto", "max_size": 24, "stability_steps": 0, "from_patches": 0},
    "analyze": {"silenced_images": 0, "altered": {"images": 0}},
}


def said(clone: Clone, *command: str) -> str:
    done = clone.run(*command)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def test_a_training_becomes_a_site_and_grows(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone")
    clone.change(PARAMS)
    params = yaml.safe_load((clone.folder / "params.yaml").read_text())
    del params["fixed_filters"]["borrowed"]  # of a model that is not there
    (clone.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    python = f"{VENV}/bin/python"
    said(clone, python, "-c", TRAIN, str(ROOT), "2")
    assert "added mine to params.yaml" in said(clone, python, "-m", "cnnviz.add", "runs/mine")
    said(clone, "make", "repro")
    page = clone.folder / "artifacts/report/mine/index.html"
    assert "Its training, 3 checkpoints" in page.read_text(encoding="utf-8")
    rendered = set((clone.folder / ".cache/render").rglob("*.npz"))
    pictures = (clone.folder / "artifacts/epochs/mine/pictures/0.npz").read_bytes()

    said(clone, python, "-c", TRAIN, str(ROOT), "1")
    assert "1 new files of runs/mine" in said(clone, python, "-m", "cnnviz.add", "runs/mine")
    said(clone, "make", "repro")
    assert "Its training, 4 checkpoints" in page.read_text(encoding="utf-8")
    assert (clone.folder / "artifacts/epochs/mine/pictures/0.npz").read_bytes() == pictures
    filters = read_json(clone.folder / "artifacts/maximize/mine/metrics.json")["rendered_filters"]
    assert len(set((clone.folder / ".cache/render").rglob("*.npz")) - rendered) <= 3 * filters  # of new attempts, too

    with closing(sqlite3.connect(clone.folder / "mlflow.db")) as store:
        names = store.execute(
            "SELECT name FROM runs r JOIN tags t ON r.run_uuid = t.run_uuid WHERE t.key = 'current' AND value = 'true'"
        ).fetchall()
        current = {name for (name,) in names}
        steps = store.execute(
            "SELECT m.step FROM metrics m JOIN runs r ON m.run_uuid = r.run_uuid WHERE m.key = 'training/logs/loss' "
            "AND r.name = 'mine' ORDER BY m.step"
        ).fetchall()
    assert {"mine", "epochs@mine", "models@mine"} <= current
    assert not [name for name in current if "checkpoint" in name]
    assert [step for (step,) in steps] == [2, 4, 6]
