"""What the stage `images` does: the image sets of params.yaml -> artifacts/images."""

import re
from collections.abc import Callable
from pathlib import Path

from cnnviz.errors import InputError
from cnnviz.files import fresh, npz, progress, say, write_bytes, write_json
from cnnviz.images.own import Own, Tick
from cnnviz.images.reading import read_keras, read_known, read_web
from cnnviz.images.section import ImagesSection, SetSection
from cnnviz.images.sets import ImageSet
from cnnviz.pictures import png_bytes, shown
from cnnviz.sources import Unreachable, catalog, reachable


def run(section: ImagesSection, artifacts: Path, most: int | None = None) -> None:
    """Write every set into `<artifacts>/images`: `<set>.npz`, a PNG per image, `images.json`.

    most: so many images of each set at most. A set that has to be fetched and can't be, for want of a network, is left
    out with a line. Raises InputError where none is left.
    """
    folder = fresh(artifacts / "images")
    about = {}
    for name, one in section.sets.items():
        total, read = _source(one, most)
        try:
            with progress(total, "image", f"images {name}") as bar:
                image_set = read(bar.update)
        except Unreachable as problem:
            say(f"images.sets.{name}: left out: {problem}; then: dvc repro --force images")
            continue
        # Straight to the file: a copy in memory would double a large set. DVC removes what a killed stage leaves.
        npz.write(folder / f"{name}.npz", image_set.arrays(), compress=True)
        for i in range(total):
            png = png_bytes(shown(image_set.image(i)))
            write_bytes(folder / name / file_name(i, str(image_set.names[i]), total), png)
        about[name] = {
            "source": one.source or "folder",
            "origin": image_set.origin,
            "license": image_set.license,
            "sha256": image_set.digest(),
            "count": total,
            "channels": image_set.channels,
            "notes": list(image_set.notes),
        }
        for note in image_set.notes:
            say(f"images {name}: {note}")
    if not about:
        raise InputError("images.sets: none is there; name one that needs no network, such as cifar10: 20")
    write_json(folder / "images.json", about)


def _source(one: SetSection, most: int | None) -> tuple[int, Callable[[Tick], ImageSet]]:
    """How many images of a set will be read, and what reads them."""
    if one.folder is not None:
        own = Own(Path(one.folder), None if one.count == "all" else int(one.count), one.background, most=most)
        return len(own), own.read
    total = min(one.total or 1, most or 10**9)
    if one.source == "keras":
        return total, lambda tick: read_keras(one.known, total, reachable, tick)
    if one.source == "web":
        return total, lambda tick: read_web(catalog.WEB_SETS[one.known], total, tick)
    return total, lambda tick: read_known(one.known, total, tick)


def file_name(index: int, name: str, count: int) -> str:
    """A file name `<index>_<name>.png` that every file system takes; the index keeps it unique and sorted."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name.removesuffix(Path(name).suffix) or name).strip("._")[:60]
    return f"{index:0{len(str(count - 1))}d}_{safe or 'image'}.png"
