"""Which class an image belongs to: by folders, parts of data sets, labels of arrays; which axis the channels are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import own, sets


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "images" / "mine").mkdir(parents=True)
    return tmp_path / "images" / "mine"


def read(place: Path, *names: str) -> sets.ImageSet:
    for name in names:
        (place / name).parent.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (6, 4), (200, 0, 0)).save(place / name)
    return own.Own(place, root=place.parent).read()


def test_parts_of_a_data_set_are_no_classes(place: Path) -> None:
    names = [f"{part}/{kind}/x.png" for part in ("train", "Test") for kind in ("cat", "dog")]
    found = read(place, *names)
    assert found.class_names.tolist() == ["cat", "dog"]
    assert found.names.tolist() == ["Test/cat/x.png", "Test/dog/x.png", "train/cat/x.png", "train/dog/x.png"]
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.notes == ("Test, train: taken together, the classes are the 2 folders in them",)
    found = read(place, "validation/cat/1/y.png")  # a small part may lack a class
    assert found.labels.tolist() == [0, 1, 0, 1, 0]
    assert found.notes[0].endswith("2 folders in them (validation lacks 1)")
    assert read(place, "eel/cat/x.png").class_names.tolist() == ["Test", "eel", "train", "validation"]


@pytest.mark.parametrize("names", [("train/x.png", "test/x.png"), ("train/cat/x.png", "test/x.png")])
def test_parts_without_classes_are_said_to_be_taken_for_some(names: tuple[str, ...], place: Path) -> None:
    found = read(place, *names)
    assert found.class_names.tolist() == ["test", "train"]
    assert found.notes[0].startswith("test, train: taken for classes; where they are parts of a data set, use one")


def test_numbers_are_names_where_there_are_no_others(place: Path) -> None:
    pixels = np.full((3, 4, 4), 200, np.uint8)
    for labels in ([2, 0, 5], np.array([2.0, 0, 5]), np.array([[2], [0], [5]], np.uint8)):
        np.savez(place / "a.npz", images=pixels, labels=labels)
        found = read(place)
        assert found.class_names.tolist() == ["0", "1", "2", "3", "4", "5"]
        assert found.labels.tolist() == [0, 2, 5]
    np.savez(place / "a.npz", images=pixels, labels=[-1, -1, -1])
    assert read(place).class_names.size == 0
    np.savez(place / "a.npz", images=pixels, labels=[False, True, True])
    assert read(place).class_names.tolist() == ["0", "1"]
    np.savez(place / "a.npz", images=pixels, labels=[0, 1, 2**31 - 1])  # numbers of another kind
    assert read(place).class_names.size == 0


def test_names_of_bytes_are_text(place: Path) -> None:
    pixels = np.full((3, 4, 4), 200, np.uint8)
    np.savez(place / "a.npz", images=pixels, labels=np.array(["é".encode(), b"b", b"b"]))
    assert read(place).class_names.tolist() == ["b", "é"]
    np.savez(place / "a.npz", images=pixels, labels=[1, 0, 1], class_names=np.array([b"cat", b"owl"]))
    assert read(place).class_names.tolist() == ["cat", "owl"]
    np.savez(place / "a.npz", images=pixels, labels=np.array([b"\xff", b"b", b"b"]))
    with pytest.raises(InputError, match=r"a\.npz: names of bytes that are not UTF-8"):
        read(place)


def test_labels_without_a_name_and_two_lists_of_names(place: Path) -> None:
    pixels = np.full((3, 4, 4), 200, np.uint8)
    np.savez(place / "a.npz", images=pixels, labels=[0, 1, 2], class_names=["cat", "owl"])
    with pytest.raises(InputError, match=r"a\.npz: a label 2, class_names has 2, for 0\.\.1"):
        read(place)
    np.savez(place / "a.npz", images=pixels, labels=[0, 1, 1], class_names=["cat", "owl"])
    np.savez(place / "b.npz", images=pixels, labels=[0, 1, 1])
    assert read(place).class_names.tolist() == ["cat", "owl"]
    np.savez(place / "b.npz", images=pixels, labels=[0, 1, 1], class_names=["owl", "cat"])
    with pytest.raises(InputError, match=r"a\.npz and .*b\.npz: their class_names differ"):
        read(place)


@pytest.mark.parametrize("shape", [(4, 13, 64, 64), (2, 12, 48, 80), (3, 32, 33, 33), (5, 4, 20, 16), (9, 2, 8, 8)])
def test_channels_first_of_any_number_are_asked_about(shape: tuple[int, ...], place: Path) -> None:
    np.save(place / "a.npy", np.full(shape, 200, np.uint8))
    with pytest.raises(InputError, match=r"channels first; save images\.transpose\(0, 2, 3, 1\)"):
        read(place)


@pytest.mark.parametrize("shape", [(4, 64, 64, 13), (2, 48, 80, 12), (3, 12, 30, 3), (5, 2, 3, 3), (6, 16, 16, 16)])
def test_channels_last_are_taken_as_they_are(shape: tuple[int, ...], place: Path) -> None:
    np.save(place / "a.npy", np.full(shape, 200, np.uint8))
    assert read(place).images.shape == shape


def test_kinds_that_are_not_supported_are_named(place: Path) -> None:
    for name in ("a.heic", "b.HEIC", "c.avif", "d.psd", "e.raw"):
        (place / name).write_bytes(b"x")
    with pytest.raises(InputError) as raised:
        read(place)
    said = str(raised.value)
    assert "there are 0" in said
    assert "; not supported: 1 .avif, 2 .heic, 1 .psd, 1 .raw; put more there, pictures of these saved as PNG" in said
