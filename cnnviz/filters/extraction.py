"""What the stage `weights` does: a model's convolution kernels -> artifacts/weights/<model>."""

from pathlib import Path

import h5py

from cnnviz.files import fresh, npz, progress, write_bytes, write_json
from cnnviz.filters import kernels
from cnnviz.filters.section import WeightsSection
from cnnviz.networks import read_description
from cnnviz.pictures import png_bytes


def extract(key: str, section: WeightsSection, artifacts: Path) -> None:
    """Write every conv layer of `<artifacts>/models/<key>` as `<layer>.npz` and `.png`, and `statistics.json`."""
    source = artifacts / "models" / key
    model = read_description(source)
    folder = fresh(artifacts / "weights" / key)
    layers, statistics = model["conv_layers"], {}
    reverse, rows, columns = model["preprocessing"]["reverse_channels"], section.filters_shown, section.inputs_shown
    with h5py.File(source / "weights.weights.h5") as file, progress(len(layers), "layer", f"weights {key}") as bar:
        for position, layer in enumerate(layers):
            name, depthwise = layer["name"], layer["depthwise"]
            kernel, bias, count = kernels.read_kernel(file, layer)
            write_bytes(folder / f"{name}.npz", npz.pack({"kernel": kernel, "bias": bias}))
            first = (
                None
                if depthwise
                else kernels.first_inputs(*kernel.shape[:1:-1], layer.get("input_shape", kernel.shape[2:3])[-1])
            )
            picture = kernels.draw(kernel, depthwise, position == 0, reverse, rows, columns, first=first)
            write_bytes(folder / f"{name}.png", png_bytes(picture))
            about = {"kernel_shape": list(kernel.shape), "depthwise": depthwise, "parameters": count}
            statistics[name] = {**about, **kernels.statistics(kernel, depthwise)}
            bar.update()
    write_json(folder / "statistics.json", statistics)
