"""`python -m tests.campaign --kills 50`: is whatever kill -9 leaves healed by `make repro`? Prints what happened.

Two networks of one's own, in a clone of this working tree; an undisturbed clone beside it says what must come out.
`--postgres`: the runs go to an MLflow server on PostgreSQL. `--disk`: a full disk instead of kills (needs root).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.campaign import disk
from tests.campaign.kills import Campaign, Expected, content, digests
from tests.clone import ROOT, VENV, Clone
from tests.servers import mlflow_server, postgresql

SMALL = {
    "images": {"sets": {"cifar10": 6, "imagenet": 2}},
    "models": {
        "grey": {"file": "inputs/models/grey.keras", "channels": 2, "layers": {"first": [0, 3], "second": [1]}},
        "wide": {"file": "inputs/models/wide.keras", "channels": 2, "layers": {"first": [2]}},
    },
    "feature_maps": {"images": [0]},
    "fixed_filters": {"images": 2, "borrowed": {"model": "wide", "layer": "first", "filters": [0]}},
    "maximize": {"steps": 12, "size": 32, "snapshots": [1, 10], "variants": 0, "negatives": False},
}
NETWORKS = """
import keras
from keras import layers
keras.utils.set_random_seed(0)
for name, shape in {"grey": (28, 28, 1), "wide": (20, 48, 3)}.items():
    conv = [layers.Conv2D(4, 3, activation="relu", name="first"), layers.Conv2D(6, 3, activation="relu", name="second")]
    end = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    keras.Sequential([keras.Input(shape), *conv, *end]).save(f"inputs/models/{name}.keras")
"""


def small_clone(folder: Path) -> Clone:
    """The project with two small networks of one's own."""
    folder.mkdir(parents=True)
    clone = Clone(folder)
    clone.change(SMALL)
    (folder / "inputs" / "models").mkdir(parents=True, exist_ok=True)
    subprocess.run([VENV / "bin/python", "-c", NETWORKS], cwd=folder, check=True, capture_output=True)
    return clone


def undisturbed(clone: Clone) -> Expected:
    """Run the pipeline once, in peace."""
    begin = time.monotonic()
    done = clone.run("make", "repro")
    if done.returncode:
        sys.exit(f"the undisturbed run failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Expected(digests(clone.folder), content(clone.folder, {}), time.monotonic() - begin)


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    asked.add_argument("--kills", type=int, default=50)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--ui-every", type=int, default=5, help="`make ui` after so many kills; 0: never")
    asked.add_argument("--postgres", action="store_true")
    asked.add_argument("--disk", action="store_true")
    options = asked.parse_args()
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
        expected = undisturbed(small_clone(top / "calm"))
        print(
            f"undisturbed: {expected.seconds:.0f} s, {len(expected.outputs)} files, {len(expected.runs)} runs",
            flush=True,
        )
        if options.disk:
            faults = disk.run(expected, top / "full", small_clone, options.seed)
            sys.exit("\n".join(faults) or None)
        env = {}
        if options.postgres:
            database = stack.enter_context(postgresql())
            (top / "server").mkdir()
            env = {"MLFLOW_TRACKING_URI": stack.enter_context(mlflow_server(database, top / "server")).uri}
        campaign = Campaign(small_clone(top / "killed"), expected, options.seed, env)
        for done in campaign.run(options.kills, 0 if options.postgres else options.ui_every):
            print(
                f"{sum(done.kills.values())} kills {done.kills}, {done.wholes} whole, {done.served} served", flush=True
            )
            for fault in done.faults:
                print(f"FAULT {fault}", flush=True)
            if done.faults:
                sys.exit(f"seed {options.seed}: {len(done.faults)} faults")
    print(f"nothing that a rerun does not heal ({ROOT.name}, seed {options.seed})")


if __name__ == "__main__":
    main()
