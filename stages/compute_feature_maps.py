"""Feature maps of one model on every image set: `python -m stages.compute_feature_maps <model>`."""

import sys

import numpy as np

from cnnviz import images, npz, params, selection
from cnnviz.montage import png_bytes
from cnnviz.stage import ARTIFACTS, fresh, progress, read_json, stage, write_bytes, write_json


def main(key: str) -> None:
    with stage(f"feature_maps@{key}") as watch:
        chosen = params.load()
        described = read_json(ARTIFACTS / "models" / key / "model.json")
        option = chosen.feature_maps.channels[key]
        where = f"params.yaml: feature_maps.channels.{key}"
        fixed = selection.filters(option, described, where) if isinstance(option, dict) else {}
        shown, size = chosen.feature_maps.images, tuple(described["input_shape"][:2])
        from cnnviz import activations, models  # TensorFlow: only after the params are checked

        network, _ = models.load(ARTIFACTS / "models" / key)
        sets = {name: images.load_set(ARTIFACTS / "images" / f"{name}.npz") for name in chosen.images.sets}
        readers = {name: lambda i, one=one: images.resized(one, i, size) for name, one in sets.items()}
        maps = activations.FeatureMaps(network, described)
        bar = progress(sum(map(len, sets.values())), "image", f"feature maps {key}")
        with watch.network():
            found = {n: maps.statistics(readers[n], len(one), bar.update) for n, one in sets.items()}
        bar.close()
        count = option if isinstance(option, int) else 8
        channels = {
            name: fixed.get(name) or activations.most_active([s[name] for s in found.values()], count)
            for name in maps.convs
        }
        folder = fresh(ARTIFACTS / "feature_maps" / key)
        for name in sets:
            with watch.network():
                layers = maps.maps(readers[name], shown, channels)
            pixels = np.rint(readers[name](shown)).astype("uint8")
            for layer, values in layers.items():
                which = {"images": np.asarray(shown, "int32"), "channels": np.asarray(channels[layer], "int32")}
                write_bytes(folder / name / f"{layer}.npz", npz.pack({"activations": values} | which))
                picture = activations.picture(pixels, shown, values, channels[layer])
                write_bytes(folder / name / f"{layer}.png", png_bytes(picture))
            write_bytes(folder / name / "per_image.npz", npz.pack(activations.per_image(found[name])))
            statistics = {layer: entry.as_dict() for layer, entry in found[name].items()}
            write_json(folder / name / "statistics.json", statistics)


if __name__ == "__main__":
    main(sys.argv[1])
