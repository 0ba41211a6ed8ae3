"""Which filters fire in one's own image: `python -m cnnviz.ask photo.jpg` makes its page and opens it.

The page of an image as the report has them, for all models of params.yaml, without the pipeline: the models and what
their filters do on the images of params.yaml are there from `make repro`, so that the numbers are those of the report.
It stays on this machine, in `.cache/ask/`.
"""

import argparse
import hashlib
import re
import sys
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz import analysis, config, networks, report
from cnnviz.errors import InputError, printable, said
from cnnviz.files import ARTIFACTS, LOCAL, command, drop_chatter, drop_retracing, fresh, say, use_defaults
from cnnviz.images import ImageSet, fed, fits, one_alone
from cnnviz.notebook import Row, Shown, Tile

FOLDER = LOCAL / "ask"
MOST = 16  # images at a time
LARGEST = 200_000_000  # bytes of a file
TOGETHER = 4  # images that go through a network together


@dataclass(frozen=True, repr=False, eq=False)
class Answer(Shown):
    """The pages of one's own images.

    pages: their paths; images: uint8 RGB `(h, w, 3)`; names: of the files; asked: for each image, what each model makes
    of it.
    """

    pages: tuple[Path, ...]
    images: tuple[NDArray[np.uint8], ...]
    names: tuple[str, ...]
    asked: "tuple[tuple[report.Asked, ...], ...]"

    def _line(self) -> str:
        return f"{len(self.pages)} image{'s' * (len(self.pages) != 1)} asked of {len(self.asked[0])} models"

    def _note(self) -> str:
        return "open: " + ", ".join(str(page) for page in self.pages)

    def _rows(self, most: int = 64) -> list[Row]:
        every = zip(self.names, self.images, self.asked, strict=True)
        return [
            Row("", [Tile(image, name, name, [line for one in asked for line in _said(one)])], 224)
            for name, image, asked in list(every)[:most]
        ]

    def _stem(self) -> str:
        return "asked"

    def _arrays(self) -> dict[str, NDArray]:
        """`<image>/<model>/<layer>` float32 `(channels, cells down, cells across)`: the highest outputs above 0."""
        return {
            f"{i}/{one.key}/{layer}": values
            for i, asked in enumerate(self.asked)
            for one in asked
            for layer, values in zip(one.placed, one.values, strict=False)
        }


def _said(one: "report.Asked") -> Iterator[str]:
    """The answer of a model in a line."""
    if one.why_not:
        yield f"{one.key}: {one.why_not}"
    elif one.answer is not None and np.isfinite(one.answer).all():
        k = 0 if one.kind == "regression" else int(one.answer.argmax())
        much = f"{one.answer[k]:.4g}" if one.kind == "regression" else f"{one.answer[k]:.1%}"
        yield f"{one.key}: {one.names[k]} {much}"


def ask(images: str | Path | Sequence[str | Path], *, show: bool = False) -> Answer:
    """Make a page for each image file: what every model of params.yaml says, and which filters fire where in it.

    images: PNG, JPEG, WebP, TIFF, GIF or BMP, one or up to 16; show: open the pages in a browser. Works in the folder
    of params.yaml, with the models and the analysis of `make repro`; writes `.cache/ask/<name>-<digest>/`.
    Raises InputError, one line, for what is no image, and where models or analysis are missing.
    """
    paths = [images] if isinstance(images, str | Path) else list(images) if isinstance(images, Sequence) else []
    if not 1 <= len(paths) <= MOST or not all(isinstance(path, str | Path) for path in paths):
        raise InputError(f"images: {said(images)} given; expected 1 to {MOST} paths of image files")
    files = [Path(path) for path in paths]
    pixels = [_read(path) for path in files]
    try:
        known = _known(config.load().models)
    except ModuleNotFoundError as error:  # a plain install has no pipeline
        raise InputError(
            f"ask: needs {error.name}, as a project of cnnviz has; pip install 'cnnviz[pipeline]'"
        ) from None
    sets = _together(pixels, files)
    every = [list(_seen(key, described, placed, sets)) for key, (described, placed) in known.items()]
    answers, pages = list(zip(*every, strict=True)), []
    for path, image, asked in zip(files, pixels, answers, strict=True):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-")[:40] or "image"
        out = fresh(FOLDER / f"{name}-{digest}")
        pages.append(report.write_asked(out, printable(path.name), image, asked, ARTIFACTS / "report"))
    if show:
        for page in pages:
            webbrowser.open(page.resolve().as_uri())
    return Answer(tuple(pages), tuple(pixels), tuple(path.name for path in files), tuple(answers))


def _read(path: Path) -> NDArray[np.uint8]:
    """Raises InputError for what is no image file."""
    name = printable(str(path))
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        raise InputError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    if size is None:
        what = "not a file" if path.exists() else "not found"
        raise InputError(f"{name}: {what}; expected an image file, such as photo.jpg")
    if size > LARGEST:
        raise InputError(f"{name}: over {LARGEST // 10**6} MB; scale it down first")
    return one_alone(path)


def _known(models: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, analysis.Placed]]]:
    """model.json and places of each model. Raises InputError, with the remedy, where they are missing."""
    found = {}
    for key in models:
        if not (ARTIFACTS / "models" / key / "model.json").is_file():
            raise InputError(f"{ARTIFACTS / 'models' / key}: not there; run `make repro` first")
        placed = analysis.read_places(ARTIFACTS / "analysis" / key)
        found[key] = networks.read_description(ARTIFACTS / "models" / key), placed
    return found


def _together(pixels: Sequence[NDArray[np.uint8]], files: Sequence[Path]) -> ImageSet:
    height, width = (max(one.shape[axis] for one in pixels) for axis in (0, 1))
    images = np.zeros((len(pixels), height, width, 3), np.uint8)
    for i, one in enumerate(pixels):
        images[i, : one.shape[0], : one.shape[1]] = one
    sizes = np.array([one.shape[:2] for one in pixels], np.int32)
    names = np.array([path.name for path in files], np.str_)
    return ImageSet(images, sizes, np.full(len(pixels), -1, np.int32), names, np.array([], np.str_))


def _seen(
    key: str, described: dict[str, Any], placed: dict[str, analysis.Placed], images: ImageSet
) -> "Iterator[report.Asked]":
    """What a model makes of each image."""
    shape = described["input_shape"]
    if not fits(3, shape[2]):
        for _ in range(len(images)):
            yield report.Asked(key, described, placed, why_not=f"it sees {shape[2]} channels, the image has 3")
        return
    say(f"ask {key}")
    observer = analysis.Observer(networks.load(ARTIFACTS / "models" / key)[0], described, list(placed))
    kept = {name: analysis.Places(len(images)) for name in placed}
    answers: list[NDArray[np.float32]] = []
    for batch in observer.batches(lambda some: fed(images, some, shape), len(images), TOGETHER):
        for name in batch:
            kept[name].update(batch[name])
        batch.release()
        answers += list(observer.head.probabilities(batch.classified[0])) if batch.classified else []
    values = [one.values() for one in kept.values()]
    seen = np.rint(fed(images, range(len(images)), shape)).astype(np.uint8)
    for i in range(len(images)):
        answer = answers[i] if answers else None
        kind, names, own = observer.head.kind, observer.head.names, [one[i] for one in values]
        yield report.Asked(key, described, placed, own, seen[i], kind=kind, names=names, answer=answer)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnviz.ask", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", type=Path, nargs="+", help=f"up to {MOST} image files")
    parser.add_argument("--no-open", action="store_true", help="open no browser")
    given = parser.parse_args(words)
    with command("python -m cnnviz.ask"):
        drop_chatter()
        drop_retracing()
        use_defaults()
        for page in ask(given.images, show=not given.no_open).pages:
            print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
