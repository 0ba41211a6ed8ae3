"""A user's own files: every kind, any depth, odd names, and files that are not what they should be."""

import io
import os
import struct
import subprocess
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import decoding, listing, own, sets, stacks


def save(path: Path, pixels: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    image.save(path, **options)
    return path


def flat(value: int, height: int = 4, width: int = 6) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def png16(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, grey, grey and alpha, RGB or RGBA, which Pillow itself cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = values.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "images" / "mine").mkdir(parents=True)
    return tmp_path / "images" / "mine"


def read(place: Path, count: int | None = None, **options: Any) -> sets.ImageSet:
    found = own.Own(place, count, root=place.parent, **options)
    made = found.read()
    assert len(found) == len(made)
    return made


# which files, in which order


def test_the_first_images_are_taken_evenly_over_the_classes(place: Path) -> None:
    for name in ("cat/1.png", "cat/10.png", "cat/2.png", "dog/a.png", "eel/x/y/deep.png", "eel/z.png"):
        save(place / name, flat(9))
    every = read(place)
    assert every.class_names.tolist() == ["cat", "dog", "eel"]
    assert every.names.tolist() == [
        "cat/1.png",
        "dog/a.png",
        "eel/x/y/deep.png",
        "cat/10.png",
        "eel/z.png",
        "cat/2.png",
    ]
    assert every.labels.tolist() == [0, 1, 2, 0, 2, 0]
    for count in range(1, 7):  # how many are asked for does not change which come first
        assert read(place, count).names.tolist() == every.names.tolist()[:count]
    assert [len(own.Own(place, None, root=place.parent, most=most)) for most in (2, 50)] == [2, 6]


def test_what_file_managers_leave_is_no_class_and_no_image(place: Path) -> None:
    for name in ("cat/a.png", "dog/b.png", "__MACOSX/cat/._a.png", ".hidden/c.png", "cat/._a.png", "cat/.d.png"):
        save(place / name, flat(99))
    for name in (".DS_Store", "cat/Thumbs.db", "dog/desktop.ini", "cat/.ipynb_checkpoints/a.png"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(b"x")
    (place / "empty").mkdir()
    (place / "notes").mkdir()
    (place / "notes" / "read me.TXT").write_text("x")
    found = read(place)
    assert found.class_names.tolist() == ["cat", "dog"]
    assert found.names.tolist() == ["cat/a.png", "dog/b.png"]
    assert found.notes == ("1 files of other kinds were left out (1 .txt)",)


def test_suffixes_in_any_case_and_names_of_any_kind(place: Path) -> None:
    odd = os.fsdecode(b"caf\xe9 \n.PNG")  # not UTF-8, and a line's end
    long = "x" * 240 + ".Jpeg"
    for name in (odd, long, "über 猫.WEBP", "a.TIFF", "b.bmp", "c.GIF"):
        kind = {".png": "PNG", ".jpeg": "JPEG", ".webp": "WEBP", ".tiff": "TIFF", ".bmp": "BMP", ".gif": "GIF"}
        save(place / name, flat(200), format=kind[Path(name).suffix.lower()])
    found = read(place)
    assert len(found) == 6
    assert found.images.shape == (6, 4, 6, 3)
    assert np.abs(found.images.astype(int) - 200).max() <= 2
    assert "caf\\xe9 ?.PNG" in found.names
    assert all(str(name).encode().decode() == name and str(name).isprintable() for name in found.names)


def test_a_damaged_file_of_an_odd_name_is_one_line(place: Path) -> None:
    (place / os.fsdecode(b"\xff\n.png")).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"mine/\\xff\?\.png: damaged or no PNG, JPEG.*save it again") as raised:
        read(place)
    assert "\n" not in str(raised.value)


def test_links_inside_are_followed_and_circles_are_not(place: Path) -> None:
    other = save(place.parent / "other" / "a.png", flat(7))
    (place / "cat").symlink_to(other.parent)
    assert read(place).names.tolist() == ["cat/a.png"]
    (other.parent / "again").symlink_to(place)
    with pytest.raises(InputError, match="a link to a folder that it lies in"):
        read(place)


def test_what_is_in_the_place_of_images_is_said(place: Path) -> None:
    """Broken links, circles of links and pipes: none is opened, and the line says why none counted."""
    (place / "gone.png").symlink_to("nowhere.png")
    (place / "round.png").symlink_to("round.png")
    os.mkfifo(place / "pipe.png")
    with pytest.raises(InputError) as raised:
        read(place)
    kinds = "2 links to nothing, 1 pipes or devices"
    assert (
        f"images asked, there are 0; PNG, JPEG, WebP, TIFF, GIF or BMP, .npy and .npz count; not supported: {kinds}"
        in (str(raised.value))
    )
    save(place / "a.png", flat(7))
    assert f"3 files of other kinds were left out ({kinds})" in read(place).notes


def test_hidden_images_are_said_where_there_are_no_others(place: Path) -> None:
    save(place / ".thumbs" / "a.png", flat(7))
    with pytest.raises(InputError, match=r"count and hidden ones \(\.thumbs/a\.png\) do not; put more there"):
        read(place)


def test_what_git_lfs_left_is_said(place: Path) -> None:
    for name in ("a.png", "a.npy", "a.npz"):
        (place / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")
        with pytest.raises(InputError, match=rf"/{name}: a Git LFS pointer, not the file itself; run `git lfs pull`"):
            read(place)
        (place / name).unlink()


@pytest.mark.pipeline
def test_images_in_deep_folders_are_found_and_too_deep_ones_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(place)
    for depth in range(2300):
        if depth == 1500:  # deeper than Python calls functions
            save(Path("a.png"), flat(7))
        Path("d").mkdir()
        os.chdir("d")
    monkeypatch.chdir(place)
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", str(place)], check=True))  # shutil calls itself too often
    with pytest.raises(InputError, match=r"/d/[d/]*: can't be read \(File name too long\)$") as raised:
        read(place)
    assert len(str(raised.value)) < 300
    os.chdir("/".join("d" * 1500))
    subprocess.run(["rm", "-rf", "d"], check=True)
    monkeypatch.chdir(place)
    assert len(read(place)) == 1


@pytest.mark.pipeline
def test_ten_thousand_files_are_listed_quickly(place: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(flat(3)).save(data, "PNG")
    for i in range(10):
        (place / f"class {i}").mkdir()
        for j in range(1000):
            (place / f"class {i}" / f"{j}.png").write_bytes(data.getvalue())
    start = time.process_time()
    found = listing.listed(place, place.parent)
    assert time.process_time() - start < 2
    assert len(found.files) == 10_000
    assert read(place, 20).labels.tolist() == [*range(10)] * 2


# what is in them


@pytest.mark.parametrize(
    ("largest", "bits"), [(65535, 16), (9000, 14), (4095, 12), (3000, 12), (1023, 10), (800, 10), (200, 8)]
)
def test_deep_pictures_are_read_by_the_bits_that_the_set_uses(largest: int, bits: int, place: Path) -> None:
    values = np.linspace(0, largest, 12).astype(np.uint16).reshape(3, 4)
    Image.fromarray(values).save(place / "a.png")
    Image.fromarray(values // 2).save(place / "b.tif")  # darker, in the same range
    found = read(place)
    for image, wanted in zip(found.images, (values, values // 2), strict=True):
        np.testing.assert_allclose(image[..., 1], wanted * 255.0 / (2**bits - 1), atol=0.51)
    said = f"use {bits} bits (their largest number is {largest})" if bits > 8 else f"0..255 (the largest is {largest})"
    assert said in found.notes[0]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_sixteen_bits_of_every_channel_count(channels: int, place: Path, rng: np.random.Generator) -> None:
    """Pillow keeps the high byte where there are several channels: twelve bits would be nearly black."""
    values = rng.integers(0, 4096, (5, 7, channels)).astype(np.uint16)
    values[0, 0] = 4095
    if channels in (2, 4):
        values[..., -1] = 65535
        values[2, 3, -1] = 0
    (place / "a.png").write_bytes(png16(values))
    image = read(place).image(0)
    colours = values[..., :-1] if channels in (2, 4) else values
    wanted = np.broadcast_to(colours * 255.0 / 4095, (5, 7, 3)).copy()
    if channels in (2, 4):
        wanted[2, 3] = 255  # transparent: the white below
    np.testing.assert_allclose(image, wanted, atol=0.51)


def test_transparent_pictures_are_laid_over_the_background(place: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 6, 4)).astype(np.uint8)
    noise[..., 3] = np.repeat([[0, 0, 255, 255, 128, 128]], 4, 0)
    save(place / "a.png", noise)
    save(place / "b.webp", noise, lossless=True, exact=True)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([9, 9, 9, 200, 100, 0])
    save(place / "c.gif", palette, transparency=0)
    save(place / "d.png", np.dstack([flat(50)[..., 0], np.full((4, 6), 255, np.uint8)]), format="PNG")
    for background, colour in (("white", (255, 255, 255)), ("#102030", (16, 32, 48))):
        found = read(place, background=background)
        for i in (0, 1):
            assert (found.image(i)[:, :2] == colour).all()  # nothing of the hidden noise
            np.testing.assert_array_equal(found.image(i)[:, 2:4], noise[:, 2:4, :3])
            half = (noise[:, 4:, :3].astype(float) * 128 + np.array(colour) * 127) / 255
            np.testing.assert_allclose(found.image(i)[:, 4:], half, atol=1)
        assert found.image(2).tolist() == [[list(colour), [200, 100, 0]]]
        assert (found.image(3) == 50).all()
        assert f"3 transparent images were laid over {background}" in found.notes


def test_one_bit_palette_cmyk_and_float_pictures(place: Path) -> None:
    save(place / "a.png", np.array([[False, True]]))
    save(place / "b.tif", Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)))
    save(place / "c.tif", Image.fromarray(np.array([[0.0, 100.0, 255.0]], np.float32)))
    save(place / "d.tif", Image.new("CMYK", (2, 2), (0, 0, 0, 0)))
    found = read(place)
    assert found.image(0)[0, :, 0].tolist() == [0, 255]
    assert found.image(1)[0, :, 0].tolist() == [0, 128, 255]
    assert found.image(2)[0, :, 0].tolist() == [0, 100, 255]
    assert (found.image(3) == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_images_in_a_file_the_first_is_taken(kind: str, place: Path) -> None:
    first, second = (Image.fromarray(flat(value)) for value in (40, 200))
    first.save(place / f"a.{kind.lower()}", kind, save_all=True, append_images=[second])
    found = read(place)
    assert np.abs(found.image(0).astype(int) - 40).max() <= 2
    assert "of 1 files with several images or pages the first was taken" in found.notes


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_large_pictures_are_scaled_while_reading_whichever_way_up(kind: str, orientation: int, place: Path) -> None:
    upright = np.zeros((1200, 1800, 3), np.uint8)
    upright[:600, :900] = 200
    turned = Image.fromarray(upright)
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turned = turned.transpose(back[orientation]) if orientation > 1 else turned
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(place / f"a.{kind.lower()}", kind, exif=exif)
    found = read(place)
    assert found.sizes.tolist() == [[768, 1152]]
    image = found.image(0).astype(int)
    assert np.abs(image[:380, :570] - 200).max() <= 12
    assert image[390:].max() <= 12
    assert image[:, 580:].max() <= 12
    assert "1 large images were scaled down, to 768 pixels at most on the shorter side" in found.notes[0]


def test_a_set_of_many_large_photos_fits_by_smaller_ones(place: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (1500, 1000)).save(data, "JPEG")
    for i in range(400):
        (place / f"{i}.jpg").write_bytes(data.getvalue())
    found = own.Own(place, None, root=place.parent)
    sizes = found._sizes(3)
    assert sizes == [(512, 768)] * 400
    found.items *= 10
    with pytest.raises(InputError, match=r"of up to 384x256 pixels take over 1 GB; 3390 of them fit: count: 3390"):
        found._sizes(3)


# arrays


@pytest.mark.parametrize(
    ("shape", "images", "size", "channels"),
    [
        ((7, 9), 1, (7, 9), 3),
        ((7, 9, 3), 1, (7, 9), 3),
        ((7, 9, 1), 1, (7, 9), 3),
        ((64, 64, 12), 1, (64, 64), 12),
        ((5, 28, 28), 5, (28, 28), 3),
        ((5, 20, 30), 5, (20, 30), 3),
        ((1, 66, 200), 1, (66, 200), 3),
        ((5, 20, 30, 1), 5, (20, 30), 3),
        ((5, 20, 30, 3), 5, (20, 30), 3),
        ((5, 20, 30, 4), 5, (20, 30), 4),
        ((5, 20, 30, 13), 5, (20, 30), 13),
    ],
)
def test_arrays_of_every_shape(
    shape: tuple[int, ...], images: int, size: tuple[int, int], channels: int, place: Path, rng: np.random.Generator
) -> None:
    array = rng.integers(0, 256, shape).astype(np.uint8)
    np.save(place / "a.npy", array)
    found = read(place)
    assert found.images.shape == (images, *size, channels)
    np.testing.assert_array_equal(found.images, np.broadcast_to(array.reshape(images, *size, -1), found.images.shape))
    assert f"a.npy {shape}: {images} image" in found.notes[0]
    (place / "a.npy").unlink()
    for order in ("C", "F"):
        np.savez_compressed(place / "a.npz", images=np.asarray(array, order=order))
        np.testing.assert_array_equal(read(place).images, found.images)


@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        (np.array([[0, 1]], np.uint8), [0, 255]),
        (np.array([[0, 1, 33]], np.uint8), [0, 1, 33]),
        (np.array([[0, 1]], np.int64), [0, 255]),
        (np.array([[0, 0]], np.int64), [0, 0]),
        (np.array([[0, 255]], np.int64), [0, 255]),
        (np.array([[0, 2048, 4095]], np.uint16), [0, 128, 255]),
        (np.array([[0, 65535]], np.int32), [0, 255]),
        (np.array([[0.0, 0.5, 1.0]]), [0, 128, 255]),
        (np.array([[0.0, 1.0005, -0.0005]], np.float32), [0, 255, 0]),
        (np.array([[0.0, 0.5, 254.6]], np.float16), [0, 0, 255]),
        (np.array([[False, True]]), [0, 255]),
    ],
)
def test_numbers_of_every_kind(numbers: np.ndarray, wanted: list[int], place: Path) -> None:
    np.save(place / "a.npy", numbers)
    assert read(place).image(0)[0, :, 2].tolist() == wanted


def test_the_range_of_a_float_file_is_that_of_all_its_images(place: Path) -> None:
    np.save(place / "a.npy", np.stack([np.full((4, 4), 0.9), np.full((4, 4), 250.0)]))
    np.save(place / "b.npy", np.stack([np.full((4, 4), 0.2), np.full((4, 4), 0.8)]))
    assert read(place).images[:, 0, 0, 0].tolist() == [1, 250, 51, 204]


def test_labels_of_arrays_are_classes(place: Path) -> None:
    pixels = np.arange(40, 46, dtype=np.uint8).repeat(16).reshape(6, 4, 4)
    np.savez(place / "a.npz", x_train=pixels[:2], y_train=[0, 1], x_test=pixels, y_test=np.array([[3], [3], [0]] * 2))
    found = read(place)
    assert found.labels.tolist() == [0, 3, 0, 3, 3, 3]
    assert found.images[:, 0, 0, 0].tolist() == [42, 40, 45, 41, 43, 44]  # evenly over the classes
    assert found.names[:2].tolist() == ["a.npz/2", "a.npz/0"]
    assert found.class_names.tolist() == ["0", "1", "2", "3"]
    np.savez(place / "a.npz", images=pixels, labels=np.array(["owl", "cat"] * 3))
    found = read(place, 4)
    assert found.class_names.tolist() == ["cat", "owl"]
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.images[:, 0, 0, 0].tolist() == [41, 40, 43, 42]
    np.savez(place / "a.npz", images=pixels, labels=[1, 0, 1, 0, 1, 0], class_names=["cat", "owl"])
    assert read(place).class_names.tolist() == ["cat", "owl"]


def test_arrays_in_folders_of_classes(place: Path) -> None:
    for name, value in (("cat", 50), ("dog", 60)):
        (place / name).mkdir()
        np.save(place / name / "all.npy", np.full((3, 4, 4, 12), value, np.uint8))
    found = read(place, 4)
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.images[:, 0, 0, 11].tolist() == [50, 60, 50, 60]
    assert found.channels == 12


def test_one_number_of_channels(place: Path) -> None:
    np.save(place / "a.npy", np.zeros((2, 8, 8, 12), np.uint8))
    save(place / "b.png", flat(2))
    with pytest.raises(InputError, match=r"a\.npy 12 channels and .*b\.png 3 channels; the images of a set have one"):
        read(place)


def bad_arrays() -> dict[str, tuple[str, Callable[[Path], Any], str]]:
    def header_bomb(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**30) + b" " * 10**6)

    def claims(shape: tuple[int, ...]) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": shape})
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("images.npy", head.getvalue() + bytes(10**6))

        return write

    def cut(path: Path) -> None:
        np.save(path, np.zeros((10, 20, 20), np.uint8))
        path.write_bytes(path.read_bytes()[:1000])

    def saved(array: Any) -> Callable[[Path], None]:
        return lambda path: np.save(path, array, allow_pickle=True)

    def named(**arrays: Any) -> Callable[[Path], None]:
        return lambda path: np.savez(path, **arrays)

    images = np.zeros((4, 8, 8), np.uint8)
    return {
        "text": ("a.npy", lambda path: path.write_text("x"), "damaged or no NumPy file"),
        "empty": ("a.npz", lambda path: path.write_bytes(b""), "damaged or cut short"),
        "cut": ("a.npy", cut, "damaged or no NumPy file"),
        "pickle": ("a.npy", saved(np.array([{}, images], object)), "an array of object; expected numbers"),
        "pickled labels": ("a.npz", named(images=images, labels=np.array([{}] * 4, object)), "a label or name"),
        "text array": ("a.npy", saved(np.array([["a"]])), "expected numbers"),
        "complex": ("a.npy", saved(np.zeros((4, 4), complex)), "expected numbers"),
        "five axes": ("a.npy", saved(np.zeros((2, 2, 4, 4, 3), np.uint8)), r"\(2, 2, 4, 4, 3\); expected \(h, w\)"),
        "nothing": ("a.npy", saved(np.zeros((0, 4, 4, 3), np.uint8)), "holds no image"),
        "channels first": ("a.npy", saved(np.zeros((5, 3, 32, 32), np.uint8)), r"channels first; save images.trans"),
        "one, first": ("a.npy", saved(np.zeros((3, 32, 32), np.uint8)), r"3 channels first: transpose\(1, 2, 0\)"),
        "cube": ("a.npy", saved(np.zeros((100, 66, 200), np.uint8)), r"save it as \(100, 66, 200, 1\) or \(1, 100, 66"),
        "NaN": ("a.npy", saved(np.full((4, 4), np.nan)), "holds NaN"),
        "-1..1": ("a.npy", saved(np.array([[-1.0, 1.0]])), r"numbers in -1..1; expected 0..1 or 0..255"),
        "0..1000": ("a.npy", saved(np.array([[0.0, 1000.0]])), r"numbers in 0..1000; expected"),
        "0..1.5": ("a.npy", saved(np.array([[0.0, 1.5]])), r"numbers in 0..1.5; expected"),
        "negative": ("a.npy", saved(np.array([[-5, 10]])), r"whole numbers in -5..10"),
        "32 bits": ("a.npy", saved(np.array([[0, 70000]])), r"whole numbers in 0..70000"),
        "which": ("a.npz", named(a=images, b=images), "which array holds the images.* It has a, b; call"),
        "few labels": ("a.npz", named(images=images, labels=np.arange(3)), r"labels \(3,\) of int64 for images"),
        "one-hot": ("a.npz", named(images=images, labels=np.eye(4)), r"one-hot: labels.argmax\(1\)"),
        "header": ("a.npz", header_bomb, "header is no header"),
        "bomb": ("a.npz", named(images=np.zeros((1, 9, 9, 1001), np.uint8)), "expected 1 GB an image, 1000"),
        "claims": ("a.npz", claims((1, 10**6, 10**6, 3)), "damaged or no NumPy file .it ends early"),
        "below nothing": ("a.npz", claims((-1, 8, 8, 3)), r"damaged or no NumPy file \(its shape is \(-1, 8, 8, 3\)\)"),
        "many": ("a.npz", claims((10**7, 100, 100)), "damaged or no NumPy file .it ends early"),
    }


@pytest.mark.parametrize("case", bad_arrays())
def test_a_bad_array_is_named_in_one_line(case: str, place: Path) -> None:
    name, write, reason = bad_arrays()[case]
    write(place / name)
    with pytest.raises(InputError, match=reason) as raised:
        read(place, 1 if case != "many" else 200)
    assert "\n" not in str(raised.value)
    assert str(place / name) in str(raised.value)


def test_a_large_archive_is_read_an_image_at_a_time(place: Path) -> None:
    """Only what is asked for is decompressed, in the order of the file."""
    np.savez_compressed(place / "a.npz", images=np.arange(200, dtype=np.uint8)[:, None, None].repeat(9, 1).repeat(9, 2))
    stack = stacks.opened(place / "a.npz", "a.npz")
    assert [(i, int(one.max())) for i, one in stack.images([7, 3, 199])] == [(3, 3), (7, 7), (199, 199)]


def test_a_picture_of_any_kind_is_decoded_for_the_notebook(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp", flat(100), lossless=True)
    assert (decoding.decode(path, "a") == 100).all()
