"""Stage `fixed_filters`: hand-made, Gabor and borrowed kernels on an image set -> artifacts/fixed_filters."""

import numpy as np

from cnnviz import fixed_filters, images, npz, params
from cnnviz.errors import InputError
from cnnviz.stage import ARTIFACTS, fresh, stage, write_bytes, write_json
from cnnviz.weights import read_description


def main() -> None:
    wanted = params.load().fixed_filters
    borrowed = wanted.borrowed
    kernels = {name: np.array(rows, np.float32) for name, rows in wanted.kernels.items()}
    origins = dict.fromkeys(kernels, "fixed_filters.kernels of params.yaml")
    for name, g in wanted.gabor.items():
        kernels[name] = fixed_filters.gabor(g.size, g.wavelength, g.orientation, g.sigma)
        origins[name] = f"Gabor: size {g.size}, wavelength {g.wavelength}, orientation {g.orientation}, sigma {g.sigma}"
    model = read_description(ARTIFACTS / "models" / borrowed.model)
    path = ARTIFACTS / "weights" / borrowed.model / f"{borrowed.layer}.npz"
    taken, reversed_channels = fixed_filters.borrow(path, model, borrowed.layer, borrowed.filters)
    for (name, kernel), index in zip(taken.items(), borrowed.filters, strict=True):
        if name in kernels:
            raise InputError(f"fixed_filters: {name!r} is the name of a borrowed kernel; call yours something else")
        kernels[name] = kernel
        note = "; the network sees BGR, its channels are reversed here to see RGB" if reversed_channels else ""
        origins[name] = f"{borrowed.model}, layer {borrowed.layer}, filter {index}, without its bias{note}"

    image_set = images.load_set(ARTIFACTS / "images" / f"{wanted.set}.npz")
    batch, sizes = fixed_filters.prepare(image_set, wanted.images, len(kernels))
    arrays = fixed_filters.apply(batch, sizes, kernels, wanted.pool_size)
    names = [str(name) for name in image_set.names[: len(batch)]]

    folder = fresh(ARTIFACTS / "fixed_filters")
    npz.write(folder / "kernels.npz", kernels)
    npz.write(folder / "outputs.npz", arrays)
    for name, png in fixed_filters.draw(arrays, kernels, names).items():
        write_bytes(folder / name, png)
    about = [{"name": name, "shape": list(kernels[name].shape), "origin": origins[name]} for name in kernels]
    write_json(
        folder / "fixed_filters.json",
        {"kernels": about, "images": names, "set": wanted.set, "pool_size": wanted.pool_size},
    )


if __name__ == "__main__":
    with stage("fixed_filters"):
        main()
