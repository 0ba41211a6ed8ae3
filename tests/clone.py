"""The whole project in a temporary clone, with params that make the pipeline a small one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
VENV = Path(sys.prefix)
NOT_INHERITED = ("PYTEST", "MLFLOW", "DVC", "MAKE", "MFLAGS")  # a make inside a make says more than one line

SMALL = {
    "images": {"sets": {"cifar10": 10, "imagenet": 4}},
    "models": {
        "vgg16": {
            "known": "vgg16",
            "input_size": 64,
            "channels": 2,
            "layers": {"block1_conv2": [3], "block3_conv1": [159]},
        },
        "cifar10-cnn": {
            "known": "cifar10-cnn",
            "channels": 2,
            "layers": {"conv2d_1": 2, "conv2d_3": 1},
            "objectives": {"frog": "logit(6)"},
        },
    },
    "feature_maps": {"images": [0, 1]},
    "maximize": {"steps": 12, "size": 48},
    "analyze": {"mistakes": 1, "doubtful": 1},
}

# A change of SMALL: one network only
ONE_MODEL: dict[str, Any] = {
    "models": {"cifar10-cnn": {"known": "cifar10-cnn", "channels": 2, "layers": {"conv2d_1": 2}}},
    "fixed_filters": {"borrowed": {"model": "cifar10-cnn", "layer": "conv2d"}},
}

REPLACED = ("models", "sets")


def merged(base: Any, change: Any, path: tuple[str, ...] = ()) -> Any:
    """Merge mappings key by key; what names models or image sets is replaced as a whole."""
    if not isinstance(base, dict) or (path and path[-1] in REPLACED):
        return change
    return {**base, **{k: merged(base.get(k), v, (*path, k)) for k, v in change.items()}}


class Clone:
    """A copy of the working tree in a repository of its own, with this environment and nothing else shared."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = self._out(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT).split("\0")
        for name in filter(None, listed):
            if name != "dvc.lock" and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        params = merged(yaml.safe_load((ROOT / "params.yaml").read_text()), SMALL)
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        (folder / ".venv").symlink_to(VENV, target_is_directory=True)
        # commands of the same names earlier on PATH, which must not be used
        (folder / ".cache" / "decoys").mkdir(parents=True)
        for name in ("python", "python3", "dvc", "mlflow"):
            decoy = folder / ".cache" / "decoys" / name
            decoy.write_text('#!/bin/sh\necho "decoy $0" >&2\nexit 97\n')
            decoy.chmod(0o755)
        self._out(["git", "init", "-q"], cwd=folder)
        self.git("add", "-A")
        self.git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "start")

    def _out(self, command: list[str], cwd: Path) -> str:
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout

    def git(self, *words: str) -> str:
        return self._out(["git", *words], cwd=self.folder)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder}/.cache/decoys:{os.environ['PATH']}"
        env = {k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED)} | {"PATH": path}
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)

    def make(self, target: str = "repro") -> subprocess.CompletedProcess[str]:
        return self.run("make", target)

    def dvc(self, *words: str) -> subprocess.CompletedProcess[str]:
        path = f"{VENV}/bin:{os.environ['PATH']}"
        env = {k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED)} | {"PATH": path}
        command = [f"{VENV}/bin/python", "-m", "dvc", *words]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)

    def change(self, change: dict[str, Any]) -> None:
        file = self.folder / "params.yaml"
        file.write_text(yaml.safe_dump(merged(yaml.safe_load(file.read_text()), change), sort_keys=False))
