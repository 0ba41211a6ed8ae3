"""A part of a picture: what stands on pages most often, a hundred times on a filter's, so it is no macro."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from cnnviz.report.site.links import Tile


def sprite(
    src: str,
    x: int,
    columns: int,
    kind: str,
    alt: str,
    inset: Sequence[float] | None = None,
    y: int = 0,
    rows: int = 1,
    coarse: bool = False,
) -> Markup:
    """Column x of `columns`, row y of `rows` of the picture `src`, scaled to its box.

    kind: made, natural or mixed (site/kinds.css); inset: shares of the tile that are empty above and below, left and
    right; coarse: its pixels are seen.
    """
    place = f"--c:{int(columns)};--r:{int(rows)};--x:{int(x)};--y:{int(y)}"
    if inset and any(inset):
        place += f";--t:{float(inset[0])};--l:{float(inset[1])}"
    return Markup(  # noqa: S704
        f'<span class="tile{" coarse" if coarse else ""}" data-kind="{escape(kind)}" style="{place}">'
        f'<img src="{escape(src)}" alt="{escape(alt)}" loading="lazy" decoding="async"></span>'
    )


def tile(of: Tile, root: str, alt: bool = True) -> Markup:
    """A tile of a sheet; alt False: it stands beside the filter's name, so its kind is all there is to say."""
    kind = "natural patch" if of.kind == "natural" else "made picture"
    said, coarse = of.alt if alt else kind, of.kind == "natural"
    return sprite(root + of.src, of.x, of.columns, of.kind, said, of.inset, of.y, of.rows, coarse)
