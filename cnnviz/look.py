"""A first look: `python -m cnnviz.look` makes real pictures by a quick recipe, while the whole takes its time.

The rooms do what they do in their stages, in a folder of their own: the smallest network whole, a few filters of
another one. Only the site goes where the whole one will be; DVC's stage `report` replaces it.
"""

import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cnnviz import activations, analysis, config, filters, images, maximization, networks, report
from cnnviz.files import ARTIFACTS, LOCAL, Stopwatch, alone, fresh, say, stage
from cnnviz.networks import selection
from cnnviz.sources import catalog
from cnnviz.tracking import lockfile

FOLDER = LOCAL / "look"
SITE = ARTIFACTS / "report"
SMALL = 96  # pixels of input up to which a network is shown whole
IMAGES = 10  # of each set
WHOLE, FEW = (12, 12), (4, 1)  # layers, and filters of each, at most: of the small network, of the other one
STEPS, SIZE = 32, 96  # at most; a pattern shows by then, on a canvas of so many pixels
PLAIN = {"snapshots": [1, 10], "start": "noise", "stability_steps": 0}
PLAIN |= {"variants": 0, "negatives": False, "from_patches": 0, "executor": "here"}
FAMOUS = {"vgg16": {"block2_conv2": [77], "block3_conv1": [159], "block3_conv3": [41], "block4_conv1": [243]}}


def chosen(params: config.Params, known: Mapping[str, int] = MappingProxyType({})) -> tuple[str | None, str | None]:
    """The model to be shown whole, and the one of which a few filters are; either may be None.

    known: input sizes in pixels that params.yaml doesn't say.
    """
    sizes = {key: known.get(key) or _input_size(model) for key, model in params.models.items()}
    smallest = min(sizes, key=lambda key: sizes[key])
    whole = smallest if sizes[smallest] <= SMALL else None
    return whole, next((key for key in sizes if key != whole), None)


def _input_size(model: networks.ModelSection) -> int:
    """In pixels; networks of keras.applications see 224 where nothing is said."""
    return (
        model.input_size
        or max(model.input_shape or [0])
        or (catalog.MODELS[model.known].input_size if model.known else 224)
    )


def some(wanted: dict[str, list[int]], layers: int, each: int) -> dict[str, list[int]]:
    """At most so many of the layers, and of the filters of each, evenly spread."""
    names = list(wanted)
    kept = {names[i]: wanted[names[i]] for i in selection.evenly(layers, len(names))}
    return {name: [ks[i] for i in selection.evenly(each, len(ks))] for name, ks in kept.items()}


def preview(params: config.Params) -> config.Params:
    """params.yaml with few images and a quick recipe."""
    fewest = min([IMAGES, *(count for count in params.images.counts.values() if count is not None)])
    shown = [i for i in params.feature_maps.images if i < fewest] or [0]
    asked = params.maximize
    altered = params.analyze.altered.model_copy(update={"shown": min(1, params.analyze.altered.shown)})
    recipe = {"steps": min(STEPS, asked.steps), "max_size": min(SIZE, asked.max_size)}
    changed = {
        "feature_maps": params.feature_maps.model_copy(update={"images": shown}),
        "maximize": asked.model_copy(update=recipe | PLAIN),
        "analyze": params.analyze.model_copy(
            update={"mistakes": 1, "doubtful": 1, "altered": altered, "silenced_images": 0, "masked_filters": 0}
        ),
    }
    return params.model_copy(update=changed)


def make(params: config.Params, watch: Stopwatch) -> str:
    """Make the site in SITE, at first with the small network only. Returns in words what it shows.

    Raises InputError where a stage of these models would.
    """
    own = [key for key, model in params.models.items() if model.own]
    for key in own:  # only the file says what size of images it takes
        networks.run(key, params.models[key], FOLDER, latest=True)
    known = {key: max(networks.read_description(FOLDER / "models" / key)["input_shape"][:2]) for key in own}
    whole, partly = chosen(params, known)
    keys, short = {whole: f"{whole} whole", partly: f"a few filters of {partly}"}, preview(params)
    todo = {key: what for key, what in keys.items() if key}
    say(f"first look: {', '.join(todo.values())}; a minute or two")
    images.run(short.images, FOLDER, IMAGES)
    done: dict[str, networks.ModelSection] = {}
    for number, key in enumerate(todo, 1):
        if key not in own:
            networks.run(key, params.models[key], FOLDER)
        described = networks.read_description(FOLDER / "models" / key)
        sets, model = _sets(list(short.images.sets), described), params.models[key]
        asked = selection.filters(model.layers, described, f"params.yaml: models.{key}.layers")
        asked = some(asked, *WHOLE) if key == whole else FAMOUS.get(model.known or "") or some(asked, *FEW)
        if key == whole:
            filters.extract(key, short.weights, FOLDER)
        activations.run(key, model.channels, short.feature_maps, sets, FOLDER, watch)
        done[key] = model.model_copy(update={"layers": asked, "objectives": {}, "explain": {}})
        maximization.run(key, done[key], short.maximize, params.random_seed, sets, FOLDER, watch)
        if key == whole:
            analysis.run(key, done[key], short.analyze, sets, FOLDER, watch)
        _show(short.model_copy(update={"models": done}), f"{number} of {len(params.models)} models")
    return ", ".join(todo.values())


def _sets(names: list[str], described: Mapping[str, Any]) -> list[str]:
    """The image set whose images are nearest in size to what the network sees."""
    size, known = described["input_shape"][0], images.load_sets(FOLDER, names, described["input_shape"][2])
    sides = {name: one.sizes.min(axis=1).mean() for name, one in known.items()}
    return [min(sides, key=lambda name: abs(math.log(sides[name] / size)))]


def _show(params: config.Params, what: str) -> None:
    """Render the site of what is there, and put it in place unless the whole one is there by now."""
    pages = fresh(FOLDER / "site")
    report.render(FOLDER, params, pages, what)
    with alone("report"):
        if not report.is_whole(SITE):
            shutil.rmtree(SITE, ignore_errors=True)
            SITE.parent.mkdir(exist_ok=True)
            shutil.move(pages, SITE)


def _at_hand(lock: Path = Path("dvc.lock"), kept: Path = Path(".dvc/cache/files/md5")) -> bool:
    """Whether DVC's cache has the report that dvc.lock names."""
    outs = lockfile.stages(lock).get("report", {}).get("outs", [])
    return any((kept / out["md5"][:2] / out["md5"][2:]).is_file() for out in outs if "md5" in out)


def main(first: bool) -> None:
    """first: as the beginning of `make repro`, which needs none where DVC's cache has the report."""
    page = Path.cwd() / SITE / "index.html"
    if first and _at_hand():
        return
    if report.is_whole(SITE):
        print(f"no first look, the whole report is there: {page}")
        return
    with stage("look") as watch:
        what = make(config.load(), watch)
        follows = "the whole follows" if first else "the whole: make repro"
        print(f"first look: {page} (preview of {what}; {follows})", flush=True)


if __name__ == "__main__":
    main("--first" in sys.argv[1:])
