"""Images of a set as a network sees them: at its size, with its channels."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.files import read_json, say
from cnnviz.images.sets import ImageSet, load_set, resized

OPAQUE = 255
WEIGHTS = np.array([19595.0, 38470.0, 7471.0])  # of red, green and blue, as Pillow has them, in 65536ths
GREY = "grey network: the images were converted by luminance"
ALPHA = "network of four channels: the images got an opaque fourth one"


def fits(channels: int, wanted: int) -> bool:
    """Whether images of so many channels can be shown to a network that wants so many."""
    return channels == wanted or (channels, wanted) in ((3, 1), (3, 4), (1, 3))


def conversion(channels: int, wanted: int) -> str | None:
    """In a sentence, what is done to images of so many channels for a network that wants so many."""
    return {(3, 1): GREY, (3, 4): ALPHA}.get((channels, wanted))


def converted(images: NDArray[np.float32], wanted: int, name: str = "images") -> NDArray[np.float32]:
    """Images `(..., channels)` in 0..255 with the channels that a network wants, float32.

    3 to 1: luminance as Rec. 601 defines it, rounded as Pillow's mode L is where the three are whole numbers; 1 to 3:
    repeated; 3 to 4: with an opaque fourth channel. Raises InputError, naming `name`, for any other two numbers.
    """
    channels = images.shape[-1]
    if channels == wanted:
        return images
    if channels == 3 and wanted == 1:
        grey = images.astype(np.float64) @ (WEIGHTS / 65536)
        whole = (images == np.rint(images)).all(axis=-1)
        return np.where(whole, np.floor(grey + 0.5), grey)[..., None].astype(np.float32)
    if channels == 1 and wanted == 3:
        return np.repeat(images, 3, axis=-1)
    if channels == 3 and wanted == 4:
        return np.concatenate([images, np.full_like(images[..., :1], OPAQUE)], axis=-1)
    raise InputError(f"{name}: {said(channels)}, the network sees {said(wanted)}; give images of as many")


def said(channels: int) -> str:
    return f"{channels} channel{'' if channels == 1 else 's'}"


def fed(image_set: ImageSet, indices: Iterable[int], input_shape: Sequence[int]) -> NDArray[np.float32]:
    """The chosen images of a set as a network of this `input_shape` (height, width, channels) sees them.

    Scaled as `resized` does, then `converted`: float32 `(n, height, width, channels)` in 0..255.
    """
    height, width, channels = input_shape
    return converted(resized(image_set, indices, (height, width)), channels)


def load_sets(
    artifacts: Path, names: Sequence[str], channels: int | None = None, notes: list[str] | None = None
) -> dict[str, ImageSet]:
    """The stored sets of these names that a network of so many channels can see (all for None), in this order.

    A set that the stage `images` left out is left out here, too; so is one of another number of channels, with a line,
    which `notes` gets as well. Raises InputError where none is left.
    """
    listed = artifacts / "images" / "images.json"
    there = read_json(listed) if listed.is_file() else names
    found = {name: load_set(artifacts / "images" / f"{name}.npz") for name in names if name in there}
    kept = {name: one for name, one in found.items() if channels is None or fits(one.channels, channels)}
    have = ", ".join(f"{name} {said(one.channels)}" for name, one in found.items() if name not in kept)
    if not found:
        raise InputError(f"{listed}: none of {', '.join(names)} is there; run `dvc repro --force images`")
    if not kept:
        wanted = said(channels or 3)
        raise InputError(
            f"images.sets: none for a network of {wanted} ({have}); add one of arrays .npy (n, h, w, "
            f"{channels or 3}): mine: {{folder: inputs/images/mine}}"
        )
    if have:
        line = f"image sets left out: {have}, the network sees {channels}"
        say(line)
        if notes is not None:
            notes.append(line)
    return kept


def conversions(sets: dict[str, ImageSet], channels: int) -> list[str]:
    """In sentences, what is done to the images of these sets for a network of so many channels."""
    done = {name: conversion(one.channels, channels) for name, one in sets.items()}
    return list(dict.fromkeys(text for text in done.values() if text))
