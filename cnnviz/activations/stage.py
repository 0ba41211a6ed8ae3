"""What the stage `feature_maps` does: one model's maps of every image set -> artifacts/feature_maps/<model>."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.activations.section import FeatureMapsSection
from cnnviz.files import Stopwatch, fresh, npz, progress, write_bytes, write_json
from cnnviz.images import ImageSet, conversions, fed, load_sets
from cnnviz.networks import read_description, selection
from cnnviz.pictures import png_bytes, shown

SHOWN = 8  # channels of a layer, where params.yaml names none or those of others


def run(
    key: str, channels: Any, section: FeatureMapsSection, sets: Sequence[str], artifacts: Path, watch: Stopwatch
) -> None:
    """Write maps, pictures and statistics of the model `key` on the image sets `sets`.

    channels: params.yaml's `models.<key>.channels`, of which maps are shown.
    """
    stored = artifacts / "models" / key
    described, where = read_description(stored), f"params.yaml: models.{key}.channels"
    named = selection.filters(channels, described, where) if isinstance(channels, dict) else {}
    selection.check_batch(described, 1, f"params.yaml: models.{key}.input_shape")
    from cnnviz.activations import maps  # TensorFlow: only after the params are checked
    from cnnviz.networks import load

    feature_maps = maps.FeatureMaps(load(stored)[0], described)
    shape, rgb = described["input_shape"], described.get("bands", {}).get("rgb")
    notes: list[str] = []
    known = load_sets(artifacts, sets, shape[2], notes)
    readers = {name: _reader(one, shape) for name, one in known.items()}
    bar = progress(sum(map(len, known.values())), "image", f"feature maps {key}")
    with watch.network():
        found = {n: feature_maps.statistics(readers[n], len(one), bar.update) for n, one in known.items()}
    bar.close()
    count = channels if isinstance(channels, int) else SHOWN
    chosen = {
        name: named.get(name) or maps.most_active([s[name] for s in found.values()], count)
        for name in feature_maps.convs
    }
    folder = fresh(artifacts / "feature_maps" / key)
    write_json(folder / "notes.json", [*notes, *conversions(known, shape[2])])
    for name, one in known.items():
        some = [i for i in section.images if i < len(one)] or [0]  # a set of all files of a folder may have fewer
        with watch.network():
            layers = feature_maps.maps(readers[name], some, chosen)
        pixels = shown(np.rint(readers[name](some)).astype("uint8"), rgb)
        for layer, values in layers.items():
            which = {"images": np.asarray(some, "int32"), "channels": np.asarray(chosen[layer], "int32")}
            write_bytes(folder / name / f"{layer}.npz", npz.pack({"activations": values} | which))
            picture = maps.picture(pixels, some, values, chosen[layer])
            write_bytes(folder / name / f"{layer}.png", png_bytes(picture))
        write_bytes(folder / name / "per_image.npz", npz.pack(maps.per_image(found[name])))
        write_json(folder / name / "statistics.json", {layer: entry.as_dict() for layer, entry in found[name].items()})


def _reader(image_set: ImageSet, shape: Sequence[int]) -> Callable[[Sequence[int]], np.ndarray]:
    return lambda indices: fed(image_set, indices, shape)
