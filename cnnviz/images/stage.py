"""What the stage `images` does: the image sets of params.yaml -> artifacts/images."""

import re
from pathlib import Path

from cnnviz.files import fresh, npz, progress, write_bytes, write_json
from cnnviz.images.reading import Tick, read_folder, read_keras, read_known
from cnnviz.images.section import ImagesSection
from cnnviz.images.sets import ImageSet
from cnnviz.pictures import png_bytes
from cnnviz.sources import reachable


def run(section: ImagesSection, artifacts: Path) -> None:
    """Write every set into `<artifacts>/images`: `<set>.npz`, a PNG per image, `images.json`."""
    folder = fresh(artifacts / "images")
    about = {}
    for name, count in section.sets.items():
        with progress(count, "image", f"images {name}") as bar:
            image_set = _read(section, name, count, bar.update)
        # Straight to the file: a copy in memory would double a large set. DVC removes what a killed stage leaves.
        npz.write(folder / f"{name}.npz", image_set.arrays(), compress=True)
        for i in range(count):
            png = png_bytes(image_set.image(i))
            write_bytes(folder / name / file_name(i, str(image_set.names[i]), count), png)
        about[name] = {
            "source": section.source,
            "origin": image_set.origin,
            "license": image_set.license,
            "sha256": image_set.digest(),
            "count": count,
        }
    write_json(folder / "images.json", about)


def _read(section: ImagesSection, name: str, count: int, tick: Tick) -> ImageSet:
    """One image set from the source that params.yaml names."""
    if section.source == "folder":
        return read_folder(Path(section.folder), name, count, tick)
    if section.source == "keras":
        return read_keras(name, count, reachable, tick)
    return read_known(name, count, tick)


def file_name(index: int, name: str, count: int) -> str:
    """A file name `<index>_<name>.png` that every file system takes; the index keeps it unique and sorted."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name.removesuffix(Path(name).suffix) or name).strip("._")[:60]
    return f"{index:0{len(str(count - 1))}d}_{safe or 'image'}.png"
