"""What the stage `fixed_filters` does: hand-made, Gabor and borrowed kernels on an image set."""

from pathlib import Path

import numpy as np

from cnnviz.errors import InputError
from cnnviz.files import fresh, npz, write_bytes, write_json
from cnnviz.filters import fixed
from cnnviz.filters.section import FixedFiltersSection
from cnnviz.images import load_sets
from cnnviz.networks import read_description


def apply(section: FixedFiltersSection, artifacts: Path) -> None:
    """Write `<artifacts>/fixed_filters`: kernels, outputs, ReLU, pooling, and where each kernel comes from."""
    kernels, origins = _chosen(section, artifacts)
    image_set = load_sets(artifacts, [section.set])[section.set]
    batch, sizes = fixed.prepare(image_set, section.images, len(kernels))
    arrays = fixed.apply(batch, sizes, kernels, section.pool_size)
    names = [str(name) for name in image_set.names[: len(batch)]]

    folder = fresh(artifacts / "fixed_filters")
    npz.write(folder / "kernels.npz", kernels)
    npz.write(folder / "outputs.npz", arrays)
    for name, png in fixed.draw(arrays, kernels, names).items():
        write_bytes(folder / name, png)
    about = [{"name": name, "shape": list(kernels[name].shape), "origin": origins[name]} for name in kernels]
    facts = {"kernels": about, "images": names, "set": section.set, "pool_size": section.pool_size}
    write_json(folder / "fixed_filters.json", facts)


def _chosen(section: FixedFiltersSection, artifacts: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Kernels by name, and in words where each comes from."""
    kernels = {name: np.array(rows, np.float32) for name, rows in section.kernels.items()}
    origins = dict.fromkeys(kernels, "fixed_filters.kernels of params.yaml")
    for name, g in section.gabor.items():
        kernels[name] = fixed.gabor(g.size, g.wavelength, g.orientation, g.sigma)
        origins[name] = f"Gabor: size {g.size}, wavelength {g.wavelength}, orientation {g.orientation}, sigma {g.sigma}"
    if (lender := section.borrowed) is None:
        return kernels, origins
    model = read_description(artifacts / "models" / lender.model)
    path = artifacts / "weights" / lender.model / f"{lender.layer}.npz"
    taken, reversed_channels = fixed.borrow(path, model, lender.layer, lender.filters)
    note = "; the network sees BGR, its channels are reversed here to see RGB" if reversed_channels else ""
    for (name, kernel), index in zip(taken.items(), lender.filters, strict=True):
        if name in kernels:
            raise InputError(f"fixed_filters: {name!r} is the name of a borrowed kernel; call yours something else")
        kernels[name] = kernel
        origins[name] = f"{lender.model}, layer {lender.layer}, filter {index}, without its bias{note}"
    return kernels, origins
