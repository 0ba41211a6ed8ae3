"""One network rendered twice by the stages, the second time with other kernels, as on another processor."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cnnviz.files import machine
from tests import plain_yaml, site_project
from tests.site_project import PARAMS
from tests.verify import clones

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).parents[2]
STAGES = """
from stages import compute_feature_maps, download_images, download_model, maximize_filters
download_images.main()
for stage in (download_model, compute_feature_maps, maximize_filters):
    stage.main("before")
"""
LAYERS = {"first": [0, 3], "second": [1, 2, 5]}


@pytest.mark.long
def test_two_ways_of_summing(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in machine.CHOICES} | {"PYTHONPATH": str(ROOT)}
    params = {**PARAMS, "models": {"before": {**PARAMS["models"]["before"], "layers": LAYERS, "objectives": {}}}}
    params["feature_maps"] = {"images": [0]}
    params["maximize"] = {"steps": 12, "stability_steps": 0}
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "params.yaml").write_text(plain_yaml.dump(params))
    site_project.images(here / "inputs/images")
    site_project._models(here / "inputs/models")
    outs = ["images", "models/before", "feature_maps/before", "maximize/before"]
    stage = {"cmd": "", "outs": [{"path": f"artifacts/{out}", "md5": "0" * 32} for out in outs]}
    (here / "dvc.lock").write_text(yaml.safe_dump({"stages": {"all": stage}}))
    clones.copy(here, there)
    runs = [(here, clean), (there, {**clean, "TF_ENABLE_ONEDNN_OPTS": "0"})]
    running = [subprocess.Popen([sys.executable, "-c", STAGES], cwd=folder, env=env) for folder, env in runs]
    assert [process.wait() for process in running] == [0, 0]

    command = [sys.executable, "-m", "cnnviz.verify", str(there)]
    done = subprocess.run(command, cwd=here, env=clean | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert all(line.startswith("verify before: ") for line in done.stderr.splitlines()), done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"here:  {machine.described()}"
    assert lines[1] == f"there: {there}: {machine.described()}; TF_ENABLE_ONEDNN_OPTS=0"
    spread = r"pictures (\S+) alike \(median; worst \S+: before \w+/\d+\)(?: and \d+ the same)?"
    found = re.fullmatch(rf"reproduced within: .*feature maps.*, {spread}, no verdict changed", lines[-1])
    assert found, lines
    assert float(found[1]) > 0.95
