"""What filters look at of their strongest patches, on their pages."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.files import npz

pytestmark = pytest.mark.pipeline
SIDE = 96  # pixels of a patch


def row_of(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("Only what it looks at")[2].partition("</ol>")[0]


def tiles(path: Path) -> np.ndarray:
    """Squares side by side, `(n, SIDE, SIDE, 3)`."""
    with Image.open(path) as picture:
        count = picture.width // picture.height
        strip = np.asarray(picture.resize((SIDE * count, SIDE), Image.Resampling.NEAREST).convert("RGB"), float)
    return strip.reshape(SIDE, count, SIDE, 3).swapaxes(0, 1)


def test_a_rendered_filter_shows_what_it_looks_at(project: Path, site: Path) -> None:
    """Grey where the stored mask is 0, the patch itself where it is 255."""
    analysis = project / "artifacts" / "analysis" / "before"
    masks, boxes = (
        npz.load(analysis / "masks" / "second.npz"),
        npz.load(analysis / "examples" / "second.npz")["top_box"],
    )
    assert masks["filters"].tolist() == npz.load(project / "artifacts/maximize/before/second.npz")["filters"].tolist()
    compared = {0: 0, 255: 0}
    for row, k in enumerate(masks["filters"].tolist()):
        known, page = masks["known"][row], site / "before" / "second" / f"{k}.html"
        assert row_of(page).count("<li>") == len(known)
        assert row_of(page).count('data-kind="natural"') == known.sum()
        assert row_of(page).count(">unknown<") == len(known) - known.sum()
        shown, plain = (tiles(page.with_name(f"{k}_{what}.webp")) for what in ("looked_at", "patches"))
        for rank, box in enumerate(boxes[k].tolist()):
            if not known[rank] or min(box) < 0 or max(box) > 24:  # cut off at the rim
                continue
            mask = Image.fromarray(masks["opacity"][row, rank]).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            seen = np.asarray(mask)
            for level, expected in ((0, np.full_like(shown[rank], 128)), (255, plain[rank])):
                if (seen == level).any():
                    compared[level] += 1
                    assert np.abs(shown[rank] - expected)[seen == level].mean() < 24  # WebP's
    assert min(compared.values()) > 0


def test_a_filter_without_weights_looks_at_nothing_that_is_known(site: Path) -> None:
    assert row_of(site / "before" / "first" / "3.html").count(">unknown<") > 0
    assert "data-kind" not in row_of(site / "before" / "first" / "3.html")


def test_filters_that_were_not_rendered_have_no_such_row(site: Path) -> None:
    others = [path for path in (site / "before" / "third").glob("[0-9]*.html") if path.stem.isdigit()]
    assert others
    assert not any(map(row_of, others))
