"""Image sets from every source, and files that are not what they should be."""

import io
import os
import struct
import subprocess
import sys
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import InputError
from cnnviz.images import decoding, own, reading, sets
from cnnviz.images.stage import file_name
from cnnviz.sources import catalog, packages

ROOT = Path(__file__).parents[2]


def write(path: Path, height: int = 4, width: int = 6, value: int = 0, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), value, np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def read_folder(folder: Path, name: str, count: int | None) -> sets.ImageSet:
    return own.Own(folder / name, count, root=folder).read()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing: a decompression bomb's shape."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> partial[sets.ImageSet]:
    """`read_package` on the real wheel of the catalogue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("images"))
        members = packages.member_names(catalog.IMAGES_PACKAGE)
        content = packages.read_members(catalog.IMAGES_PACKAGE, members)
    return partial(reading.read_package, members=members, read=lambda names: {name: content[name] for name in names})


@pytest.mark.pipeline
def test_package_has_the_first_cifar10_test_images(package: partial[sets.ImageSet]) -> None:
    cifar = package("cifar10", 20)
    # The labels of CIFAR-10's test set begin so in every copy of it: cat, ship, ship, airplane, frog, …
    assert cifar.labels.tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1, 0, 9, 5, 7, 9, 8, 5, 7, 8, 6]
    assert cifar.names[:4].tolist() == ["cat", "ship", "ship", "airplane"]
    assert cifar.images.shape == (20, 32, 32, 3)
    # Its first pixels, the orange background of the cat.
    assert cifar.image(0)[0, :2].tolist() == [[158, 112, 49], [159, 111, 47]]
    assert cifar.license
    assert "foolbox 3.3.4" in cifar.origin


def test_package_images_of_mixed_sizes_stand_in_the_corner(package: partial[sets.ImageSet]) -> None:
    imagenet = package("imagenet", 11)
    assert imagenet.sizes[9].tolist() == [512, 512]
    assert imagenet.sizes[10].tolist() == [683, 1024]
    assert imagenet.images.shape == (11, 683, 1024, 3)
    assert imagenet.image(9).shape == (512, 512, 3)
    assert not imagenet.images[9, 512:].any()
    assert not imagenet.images[9, :, 512:].any()
    assert imagenet.labels[:2].tolist() == [243, 559]
    assert imagenet.class_names.size == 0


def test_package_makes_grey_images_rgb(package: partial[sets.ImageSet]) -> None:
    digits = package("mnist", 3)
    assert digits.labels.tolist() == [7, 2, 1]
    assert (digits.images[..., 0] == digits.images[..., 2]).all()


def test_package_with_too_few_images_says_who_has_more(package: partial[sets.ImageSet]) -> None:
    with pytest.raises(InputError, match=r"21 images asked, there are 20; `source: keras` has 10000"):
        package("cifar10", 21)


def test_set_survives_its_npz_file(package: partial[sets.ImageSet], tmp_path: Path) -> None:
    one = package("cifar10", 3)
    np.savez(tmp_path / "set.npz", **{key: getattr(one, key) for key in sets.ARRAYS})
    back = sets.load_set(tmp_path / "set.npz")
    for key in sets.ARRAYS:
        np.testing.assert_array_equal(getattr(back, key), getattr(one, key))
    assert len(back) == 3
    assert back.digest() == one.digest() != package("cifar10", 2).digest()


@pytest.mark.parametrize("content", [None, b"", b"no npz", b"PK\x03\x04 cut"])
def test_load_set_refuses_a_missing_or_damaged_file(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"set\.npz: (not found|damaged)"):
        sets.load_set(path)


def test_load_set_never_unpickles(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, **dict.fromkeys(sets.ARRAYS, np.array([{}], object)))
    with pytest.raises(InputError, match="damaged"):
        sets.load_set(path)


def test_folder_of_classes_is_read_in_sorted_order(tmp_path: Path) -> None:
    for i, name in enumerate(("dog/b.png", "cat/z.JPG", "cat/10.jpeg", "dog/a.png")):
        write(tmp_path / "pets" / name, value=60 * i)
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not an image")
    pets = read_folder(tmp_path, "pets", 4)
    assert pets.names.tolist() == ["cat/10.jpeg", "dog/a.png", "cat/z.JPG", "dog/b.png"]
    assert pets.class_names.tolist() == ["cat", "dog"]
    assert pets.labels.tolist() == [0, 1, 0, 1]
    assert pets.images[:, 0, 0, 0].tolist() == [120, 180, 60, 0]
    assert read_folder(tmp_path, "pets", 2).names.tolist() == ["cat/10.jpeg", "dog/a.png"]


def test_flat_folder_has_no_labels_and_keeps_sizes(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "b.png", 2, 5, 7)
    write(tmp_path / "mine" / "a.png", 3, 4, 9)
    mine = read_folder(tmp_path, "mine", 2)
    assert mine.labels.tolist() == [-1, -1]
    assert mine.sizes.tolist() == [[3, 4], [2, 5]]
    assert mine.images.shape == (2, 3, 5, 3)
    assert mine.images[1, :, :, 0].tolist() == [[7] * 5, [7] * 5, [0] * 5]
    assert mine.class_names.size == 0


def test_folder_origin_names_no_absolute_path(tmp_path: Path) -> None:
    write(tmp_path / "inputs" / "mine" / "a.png")
    assert read_folder(tmp_path / "inputs", "mine", 1).origin == "folder inputs/mine"


def test_images_are_turned_upright_by_their_exif_tag(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: to be shown rotated by 90 degrees clockwise
    (tmp_path / "s").mkdir()
    Image.fromarray(pixels).save(tmp_path / "s" / "a.png", exif=exif)
    turned = read_folder(tmp_path, "s", 1)
    assert turned.sizes.tolist() == [[3, 2]]
    assert turned.image(0)[..., 0].tolist() == [[0, 200], [0, 0], [0, 0]]


def encoded(image: Image.Image, kind: str = "PNG") -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind)
    stream.seek(0)
    return stream


def test_every_mode_becomes_rgb() -> None:
    grey16 = Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16))
    assert decoding.decode(encoded(grey16), "g")[0].tolist() == [[0] * 3, [100] * 3, [255] * 3]
    clear = Image.new("RGBA", (1, 1), (10, 20, 30, 128))
    assert decoding.decode(encoded(clear), "c").tolist() == [[[132, 137, 142]]]  # half of it, half of white
    palette = Image.new("RGB", (2, 1), (0, 0, 255)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decoding.decode(encoded(palette), "p").tolist() == [[[0, 0, 255]] * 2]
    bilevel = Image.fromarray(np.array([[False, True]]))
    assert decoding.decode(encoded(bilevel), "b")[0].tolist() == [[0] * 3, [255] * 3]
    cmyk = decoding.decode(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG"), "k")
    assert cmyk.shape == (8, 8, 3)
    assert cmyk.max() < 30


def bad_files() -> dict[str, tuple[str, bytes, str]]:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(whole, "JPEG")
    png = io.BytesIO()
    Image.fromarray(noise).save(png, "PNG")
    gif = encoded(Image.new("RGB", (4, 4)), "GIF").getvalue()
    flipped = bytearray(png.getvalue())
    flipped[5000] ^= 0xFF
    return {
        "empty": ("a.png", b"", "damaged"),
        "text": ("a.jpg", b"this is no image", "damaged or no PNG, JPEG, WebP"),
        "cut jpeg": ("a.jpg", whole.getvalue()[:2000], "damaged or cut short"),
        "cut png": ("a.png", png.getvalue()[:5000], "damaged or cut short"),
        "flipped png": ("a.png", bytes(flipped), "damaged"),
        "cut gif": ("a.gif", gif[:20], "damaged or no PNG"),
        "bomb": ("a.png", png_header(60_000, 60_000), "over 50 million pixels"),
        "large": ("a.png", png_header(8_000, 8_000), "over 50 million pixels"),
    }


@pytest.mark.parametrize("case", bad_files())
def test_a_bad_file_is_named_in_one_line(case: str, tmp_path: Path) -> None:
    name, content, reason = bad_files()[case]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_folder(tmp_path, "set", 1)
    assert str(caught.value).startswith(str(tmp_path / "set" / name))
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)  # no memory address of a stream


def test_folder_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.heic").write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"empty: 1 images asked, there are 0; PNG, .*\.npz count; not supported: 1 \.heic"
    ):
        read_folder(tmp_path, "empty", 1)
    with pytest.raises(InputError, match=r"no folder .*emty; nearest: empty"):
        read_folder(tmp_path, "emty", 1)
    write(tmp_path / "few" / "a.png")
    (tmp_path / "few" / "b.txt").write_bytes(b"BM")
    with pytest.raises(InputError, match=r"2 images asked, there are 1; PNG.*; not supported: 1 .txt; put more"):
        read_folder(tmp_path, "few", 2)
    write(tmp_path / "mixed" / "a.png")
    write(tmp_path / "mixed" / "cat" / "b.png")
    with pytest.raises(InputError, match="both in sub-folders and beside them"):
        read_folder(tmp_path, "mixed", 1)


@pytest.mark.parametrize("link", ["set/cat/a.png", "set/cat", "set"])
def test_links_that_leave_the_folder_are_refused(link: str, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "cat" / "a.png")
    target = {"set/cat/a.png": outside, "set/cat": outside.parent, "set": outside.parents[1]}[link]
    place = tmp_path / "inputs" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(target)
    with pytest.raises(InputError, match="a link that leaves"):
        read_folder(tmp_path / "inputs", "set", 1)


def test_keras_source_that_cannot_be_reached_fails_without_importing_keras(tmp_path: Path) -> None:
    code = (
        "import sys; from cnnviz import InputError, sources; from cnnviz.images import reading\n"
        "try: reading.read_keras('cifar10', 20, sources.reachable)\n"
        "except InputError as error: print(error, 'keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment |= {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": "x"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "cannot be reached and cifar10 is not in Keras's cache" in done.stdout
    assert done.stdout.endswith("False False\n")


def test_resize_squashes_by_area_and_keeps_what_fits(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
    same = sets.resize([image], (6, 6))
    assert same.dtype == np.float32
    np.testing.assert_array_equal(same[0], image)
    flat = [np.full((3, 8, 3), 40, np.uint8), np.full((9, 2, 3), 250, np.uint8)]
    squashed = sets.resize(flat, (4, 5))
    assert squashed.shape == (2, 4, 5, 3)
    assert (squashed[0] == 40).all()
    assert (squashed[1] == 250).all()


def test_resize_equals_keras_load_img(tmp_path: Path, rng: np.random.Generator) -> None:
    keras = pytest.importorskip("keras")
    image = rng.integers(0, 256, (20, 31, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    loaded = keras.utils.load_img(tmp_path / "a.png", target_size=(12, 17), interpolation="bilinear")
    np.testing.assert_array_equal(sets.resize([image], (12, 17))[0], keras.utils.img_to_array(loaded))


def test_resized_takes_each_image_without_its_padding(tmp_path: Path) -> None:
    write(tmp_path / "s" / "a.png", 8, 8, 90)
    write(tmp_path / "s" / "b.png", 4, 2, 200)
    got = sets.resized(read_folder(tmp_path, "s", 2), [1, 0, 1], (3, 3))
    assert got.shape == (3, 3, 3, 3)
    assert got[:, 0, 0, 0].tolist() == [200, 90, 200]
    assert (got[0] == 200).all()  # nothing of the black padding was mixed in


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "07_cat.png"),
        ("dog/00 1.jpeg", "07_dog_00_1.png"),
        ("../../etc/passwd", "07_etc_passwd.png"),
        ("über\n猫.png", "07_ber.png"),
        ("...", "07_image.png"),
        ("x" * 300, f"07_{'x' * 60}.png"),
    ],
)
def test_file_names_are_safe(name: str, expected: str) -> None:
    assert file_name(7, name, 20) == expected
