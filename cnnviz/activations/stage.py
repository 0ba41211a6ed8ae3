"""What the stage `feature_maps` does: one model's maps of every image set -> artifacts/feature_maps/<model>."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.activations.section import FeatureMapsSection
from cnnviz.files import Stopwatch, fresh, npz, progress, write_bytes, write_json
from cnnviz.images import ImageSet, load_set, resized
from cnnviz.networks import read_description, selection
from cnnviz.pictures import png_bytes

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
    from cnnviz.activations import maps  # TensorFlow: only after the params are checked
    from cnnviz.networks import load

    feature_maps = maps.FeatureMaps(load(stored)[0], described)
    size = (described["input_shape"][0], described["input_shape"][1])
    known = {name: load_set(artifacts / "images" / f"{name}.npz") for name in sets}
    readers = {name: _reader(one, size) for name, one in known.items()}
    bar = progress(sum(map(len, known.values())), "image", f"feature maps {key}")
    with watch.network():
        found = {n: feature_maps.statistics(readers[n], len(one), bar.update) for n, one in known.items()}
    bar.close()
    count = channels if isinstance(channels, int) else SHOWN
    chosen = {
        name: named.get(name) or maps.most_active([s[name] for s in found.values()], count)
        for name in feature_maps.convs
    }
    folder, shown = fresh(artifacts / "feature_maps" / key), section.images
    for name in known:
        with watch.network():
            layers = feature_maps.maps(readers[name], shown, chosen)
        pixels = np.rint(readers[name](shown)).astype("uint8")
        for layer, values in layers.items():
            which = {"images": np.asarray(shown, "int32"), "channels": np.asarray(chosen[layer], "int32")}
            write_bytes(folder / name / f"{layer}.npz", npz.pack({"activations": values} | which))
            picture = maps.picture(pixels, shown, values, chosen[layer])
            write_bytes(folder / name / f"{layer}.png", png_bytes(picture))
        write_bytes(folder / name / "per_image.npz", npz.pack(maps.per_image(found[name])))
        write_json(folder / name / "statistics.json", {layer: entry.as_dict() for layer, entry in found[name].items()})


def _reader(image_set: ImageSet, size: tuple[int, int]) -> Callable[[Sequence[int]], np.ndarray]:
    return lambda indices: resized(image_set, indices, size)
