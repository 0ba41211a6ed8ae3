"""Stage `weights@<model>`: a model's convolution kernels -> artifacts/weights/<model>."""

import sys

import h5py

from cnnviz import montage, npz, params, weights
from cnnviz.stage import ARTIFACTS, fresh, progress, stage, write_bytes, write_json


def main(key: str) -> None:
    shown = params.load().weights
    source = ARTIFACTS / "models" / key
    model = weights.read_description(source)
    folder = fresh(ARTIFACTS / "weights" / key)
    layers, statistics = model["conv_layers"], {}
    reverse = model["preprocessing"]["reverse_channels"]
    with h5py.File(source / "weights.weights.h5") as file, progress(len(layers), "layer", f"weights {key}") as bar:
        for position, layer in enumerate(layers):
            name, depthwise = layer["name"], layer["depthwise"]
            kernel, bias, count = weights.read_kernel(file, layer)
            write_bytes(folder / f"{name}.npz", npz.pack({"kernel": kernel, "bias": bias}))
            picture = weights.draw(kernel, depthwise, position == 0, reverse, shown.filters_shown, shown.inputs_shown)
            write_bytes(folder / f"{name}.png", montage.png_bytes(picture))
            about = {"kernel_shape": list(kernel.shape), "depthwise": depthwise, "parameters": count}
            statistics[name] = {**about, **weights.statistics(kernel, depthwise)}
            bar.update()
    write_json(folder / "statistics.json", statistics)


if __name__ == "__main__":
    with stage(f"weights@{sys.argv[1]}"):
        main(sys.argv[1])
