"""What a notebook, a terminal and a folder show."""

import re
import sys
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageShow

from cnnviz.errors import InputError
from cnnviz.notebook.result import Result
from cnnviz.notebook.tiles import as_picture, safe

EVIL = '<script>alert("1")</script>'


def result(n: int = 3, layer: str = "conv", channels: int = 3, **change: Any) -> Result:
    """Image i is all 10 * i; filters 7, 14, 21, …; the second is weak."""
    images = np.full((n, 8, 6, channels), 10, np.uint8) * np.arange(n, dtype=np.uint8)[:, None, None, None]
    status = np.where(np.arange(n) == 1, "weak", "ok")
    fields: dict[str, Any] = {
        "objectives": [f"channel('{layer}', {7 * i + 7})" for i in range(n)],
        "images": images,
        "curves": np.arange(n * 4, dtype="float32").reshape(n, 4),
        "status": status,
        "reason": np.where(status == "weak", "its score did not rise", ""),
        "scores": {
            "robust_score": np.arange(n) + 0.12345,
            "against_nature": np.full(n, np.nan),
            "selectivity_rank": np.zeros(n, "int32"),
        },
        "layer": layer,
        "filters": tuple(7 * i + 7 for i in range(n)),
        **change,
    }
    return Result(**fields)


def values(one: Result) -> list[int]:
    return [int(image.flat[0]) for image in one.images]


def test_repr_is_one_line() -> None:
    assert repr(result()) == "<3 filters of conv, 8 x 6: 2 ok, 1 weak>"
    assert repr(result(1)) == "<1 filter of conv, 8 x 6: 1 ok>"
    assert repr(result(2, layer="", filters=())) == "<2 objectives, 8 x 6: 1 ok, 1 weak>"


def test_positions_slices_masks_and_filters() -> None:
    whole = result(5)
    assert len(whole) == 5
    assert values(whole[0]) == values(whole[-5]) == [0]
    assert (values(whole[1:3]), whole[1:3].filters) == ([10, 20], (14, 21))
    assert (values(whole[[4, 1]]), whole[[4, 1]].objectives) == (
        [40, 10],
        ["channel('conv', 35)", "channel('conv', 14)"],
    )
    assert values(whole[whole.status == "ok"]) == [0, 20, 30, 40]
    assert values(whole.of(21)) == [20]
    assert values(whole.of(35, 7)) == [40, 0]
    assert whole.of(35)[0].scores["robust_score"] == pytest.approx([4.12345])
    np.testing.assert_array_equal(whole[2].curves, [[8, 9, 10, 11]])
    assert [one.filters for one in whole] == [(7,), (14,), (21,), (28,), (35,)]
    assert len(whole[5:]) == 0


@pytest.mark.parametrize("index", [5, -6, "conv", 1.0, None, (0, 1), [[0], [1]], True])
def test_a_wrong_position_says_what_there_is(index: Any) -> None:
    with pytest.raises(IndexError, match=r"expected a position in 0\.\.4.*\.of\(k\) takes filter numbers"):
        result(5)[index]


@pytest.mark.parametrize("wanted", [(3,), (), ("7",), (True,), ([7, 14],), (np.array([7]),)])
def test_a_wrong_filter_says_which_there_are(wanted: Any) -> None:
    with pytest.raises(InputError, match="there are 7, 14, 21"):
        result().of(*wanted)
    with pytest.raises(InputError, match="there are no filters"):
        result(layer="", filters=()).of(0)


class Page(HTMLParser):
    """Tags that are open and what the page says, its pictures decoded."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[Any] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        import base64

        self.tags.add(tag)
        given = dict(attrs)
        if tag == "img":
            start, data = given["src"].split(",")
            assert start == "data:image/png;base64"
            assert given["alt"]
            self.pictures.append(np.asarray(Image.open(BytesIO(base64.b64decode(data)))))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def test_html_is_a_captioned_strip_of_the_images() -> None:
    page = Page(result()._repr_html_())
    assert page.open == []
    assert page.tags == {"div", "b", "span", "img"}
    np.testing.assert_array_equal(page.pictures, result().images)
    for words in ("conv 7", "conv 21", "ok", "weak", "its score did not rise", "robust score 1.12"):
        assert words in page.text, words
    assert "nan" not in page.text
    assert "rank" not in page.text  # 0: not known


def test_html_escapes_names_and_follows_the_theme() -> None:
    html = result(layer=EVIL, reason=np.array(["", EVIL, ""]))._repr_html_()
    assert "<script" not in html
    assert "script" not in Page(html).tags
    grounds = re.findall(r"background:(#\w+)", html)
    colours = re.findall(r"(?<!-)\bcolor:(#\w+)", html)
    assert len(grounds) == len(colours) == 3  # only the badges have colours of their own: white on dark


def test_many_images_are_not_all_shown_but_saved(tmp_path: Path) -> None:
    many = result(70)
    page = Page(many._repr_html_())
    assert len(page.pictures) == 64
    assert "the first 64 of 70 images; [64:] has the others" in page.text
    assert len(many.save(tmp_path)) == 71


def test_picture_holds_every_image_and_show_finds_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = result()
    colours = {int(c) for c in np.unique(np.asarray(one.picture()))}
    assert {0, 10, 20} <= colours
    with pytest.raises(InputError, match="nothing to show"):
        one[3:].picture()
    opened: list[Any] = []
    monkeypatch.setattr(ImageShow, "show", lambda picture: opened.append(picture) or True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    one.show()
    assert not opened
    assert capsys.readouterr().out.startswith("<3 filters of conv, 8 x 6: 2 ok, 1 weak>: no image viewer here")
    monkeypatch.setenv("DISPLAY", ":0")
    one.show()
    assert [type(picture) for picture in opened] == [Image.Image]
    displayed: list[Any] = []
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=displayed.append))
    for shell, shown in ((SimpleNamespace(), 0), (SimpleNamespace(kernel=1), 1)):  # in a terminal, in a notebook
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        one.show()
        assert len(displayed) == shown
    assert displayed == [one]
    assert len(opened) == 2


def test_saved_pictures_and_arrays_are_those_of_the_result(tmp_path: Path) -> None:
    one = result()
    paths = one.save(tmp_path / "a" / "new")
    assert [path.name for path in paths] == ["conv_7.png", "conv_14.png", "conv_21.png", "conv.npz"]
    for path, image in zip(paths, one.images, strict=False):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
    with np.load(paths[-1]) as stored:
        np.testing.assert_array_equal(stored["images"], one.images)
        assert stored["filters"].tolist() == [7, 14, 21]
        assert stored["status"].tolist() == ["ok", "weak", "ok"]
        assert set(one.scores) | {"curves", "reason", "objectives"} <= set(stored.files)
    again = one.save(str(tmp_path / "b"))
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    with pytest.raises(InputError, match="save: int 3 given; expected a folder"):
        one.save(3)  # type: ignore[arg-type]
    names = [path.name for path in result(2, layer="", filters=(), objectives=["../a", "../a"]).save(tmp_path / "c")]
    assert names == ["0_.._a.png", "1_.._a.png", "objectives.npz"]


def test_images_of_any_number_of_channels_have_a_picture() -> None:
    grey = np.array([[[1], [2]]], np.uint8)
    np.testing.assert_array_equal(as_picture(grey), [[[1] * 3, [2] * 3]])
    five = as_picture(np.arange(5, dtype=np.uint8).reshape(1, 1, 5))
    assert {int(c) for c in np.unique(five)} == {0, 1, 2, 3, 4, 255}
    assert len(Page(result(channels=5)._repr_html_()).pictures) == 3
    assert safe("a/b:c d") == "a_b_c_d"
