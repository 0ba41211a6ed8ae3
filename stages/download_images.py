"""Stage `images`: the image sets of params.yaml -> artifacts/images."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from cnnviz import images, montage, npz, params, sources
from cnnviz.catalog import IMAGES_PACKAGE
from cnnviz.stage import ARTIFACTS, fresh, progress, stage, write_bytes, write_json


def read(wanted: Any, name: str, count: int, tick: images.Tick) -> images.ImageSet:
    """One image set from the source that params.yaml names."""
    if wanted.source == "folder":
        return images.read_folder(Path(wanted.folder), name, count, tick)
    if wanted.source == "keras":
        return images.read_keras(name, count, sources.reachable, tick)
    members = sources.member_names(IMAGES_PACKAGE)
    return images.read_package(name, count, members, partial(sources.read_members, IMAGES_PACKAGE), tick)


def file_name(index: int, name: str, count: int) -> str:
    """A file name `<index>_<name>.png` that every file system takes; the index keeps it unique and sorted."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name.removesuffix(Path(name).suffix) or name).strip("._")[:60]
    return f"{index:0{len(str(count - 1))}d}_{safe or 'image'}.png"


def main() -> None:
    wanted = params.load().images
    folder = fresh(ARTIFACTS / "images")
    about = {}
    for name, count in wanted.sets.items():
        with progress(count, "image", f"images {name}") as bar:
            image_set = read(wanted, name, count, bar.update)
        # Straight to the file: a copy in memory would double a large set. DVC removes what a killed stage leaves.
        arrays = {key: getattr(image_set, key) for key in images.ARRAYS}
        npz.write(folder / f"{name}.npz", arrays, compress=True)
        for i in range(count):
            png = montage.png_bytes(image_set.image(i))
            write_bytes(folder / name / file_name(i, str(image_set.names[i]), count), png)
        about[name] = {
            "source": wanted.source,
            "origin": image_set.origin,
            "license": image_set.license,
            "sha256": image_set.digest(),
            "count": count,
        }
    write_json(folder / "images.json", about)


if __name__ == "__main__":
    with stage("images"):
        main()
