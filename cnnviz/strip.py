"""Pictures of chosen filters at one checkpoint of a watched training: `python -m cnnviz.strip run 3-120 conv1:0,1,2`.

cnnviz.FilterWatch starts it beside a training, a process of its own at low priority. The pictures lie side by side in
`<folder>/strip/<checkpoint>.png`, and at a step of an MLflow run where one is named.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz import epochs
from cnnviz.errors import InputError
from cnnviz.files import command, drop_chatter, write_bytes
from cnnviz.networks import input_of, opened, scaling, series
from cnnviz.pictures import fit, montage, png_bytes, shown

TILE = 96  # pixels
FOLDER = "strip"


def draw(folder: Path, name: str, filters: dict[str, list[int]], steps: int, preprocessing: Any) -> Path:
    """Write the strip of a checkpoint, a row per layer, and return where. Raises InputError for what is not there."""
    kept = {one.path.stem: one for one in series.kept_in(folder, str(folder))}
    at = {one.moment.step: one for one in kept.values()}  # by now it may have the name of the epoch that it ended
    if (found := kept.get(name) or at.get(int(name.rpartition("-")[2]))) is None:
        raise InputError(f"{folder}: no checkpoint {name}")
    rows, most = [], max(map(len, filters.values()))
    with series.whole(found, str(folder)) as path:
        network = opened(path)[0]
    spec = scaling(preprocessing, input_of(network, name)[2])
    for layer, ks in filters.items():
        tiles = fit(shown(epochs.grow(network, layer, ks, steps, spec)), TILE)
        rows.append(np.concatenate([tiles, np.full((most - len(tiles), *tiles.shape[1:]), 255, np.uint8)]))
    place = folder / FOLDER / f"{found.path.stem}.png"
    write_bytes(place, png_bytes(montage.montage(np.concatenate(rows), columns=most)))
    return place


def _scaled(text: str) -> Any:
    """A name, or JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnviz.strip", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of cnnviz.FilterWatch")
    parser.add_argument("checkpoint", help="<epochs>-<steps>, as its file is called")
    parser.add_argument("filters", nargs="+", help="<layer>:<filter>,<filter>,…")
    parser.add_argument("--steps", type=int, default=32, help="of the maximizer")
    parser.add_argument("--preprocessing", type=_scaled, default="unit", help="as in params.yaml: docs/params.md")
    parser.add_argument("--run", help="id of an MLflow run that gets the picture; where: MLFLOW_TRACKING_URI")
    parser.add_argument("--at", type=int, default=0, help="its step in that run")
    given = parser.parse_args()
    with command("python -m cnnviz.strip"):
        os.nice(10)
        drop_chatter()
        split = [one.rpartition(":") for one in given.filters]
        filters = {layer: [int(k) for k in ks.split(",")] for layer, _, ks in split}
        place = draw(given.folder, given.checkpoint, filters, given.steps, given.preprocessing)
        if given.run:
            from cnnviz.tracking import log_picture

            log_picture(given.run, "filters", given.at, place)


if __name__ == "__main__":
    main()
