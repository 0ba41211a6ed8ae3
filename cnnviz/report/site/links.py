"""Addresses inside the site, relative to its root, and what a link shows."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote


@lru_cache(1 << 17)
def url(*parts: str) -> str:
    """Path of a page or file from its folders and name, each quoted whole."""
    return "/".join(quote(part, safe="") for part in parts)


@dataclass(frozen=True)
class Tile:
    """One tile of a sheet. kind: `made` for a filter, or `natural`, a patch of an image; inset: see patches.inset."""

    src: str
    x: int
    y: int
    columns: int
    rows: int
    alt: str
    kind: str
    inset: tuple[float, float] | None = None


@dataclass(frozen=True)
class Filter:
    """A filter as other pages show it. status: `ok`, `weak`, `dead`, or empty where it was not rendered."""

    model: str
    layer: str
    number: int
    url: str
    tile: Tile | None
    status: str
