"""Arguments of the public functions: what is taken, and the one line for what is not."""

import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

import cnnviz
from cnnviz.errors import InputError
from cnnviz.images import resize
from cnnviz.maximization import MaximizeSection
from cnnviz.networks import store
from cnnviz.notebook import given, options, pixels
from cnnviz.objectives import channel

ROOT = Path(__file__).parents[2]
IMAGE = np.full((24, 24, 3), 100, np.uint8)
FUNCTIONS = ("maximize", "kernels", "feature_maps", "examples", "explain")


def call(function: str, network: Any, **change: Any) -> Any:
    """One of the functions with arguments that are right, but for `change`."""
    right: dict[str, Any] = {
        "maximize": {"what": "expand", "filters": [0], "steps": 2, "size": 32, "snapshots": (1,)},
        "kernels": {"layer": "expand"},
        "feature_maps": {"images": IMAGE, "layer": "expand"},
        "examples": {"images": IMAGE, "layer": "expand", "filters": [0]},
        "explain": {"image": IMAGE},
    }[function]
    known = {"preprocessing": "unit", **right}
    if "layer" in change and function == "maximize":
        change["what"] = change.pop("layer")
    if "images" in change and function == "explain":
        change["image"] = change.pop("images")
    return getattr(cnnviz, function)(network, **{**known, **change})


class Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


def flat() -> keras.Model:
    return keras.Sequential([keras.Input((10,)), keras.layers.Dense(2)], name="flat")


def text() -> keras.Model:
    one, other = keras.Input((9,)), keras.Input((4,))
    return keras.Model([one, other], [keras.layers.Dense(2)(one), other], name="text")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: 5, "model: int given; expected a Keras model"),
        (lambda: None, "model: NoneType given"),
        (lambda: keras.layers.Dense(3), "model: Dense given"),
        (lambda: "nothing.keras", "model file 'nothing.keras' not found"),
        (lambda: Path("vgg"), "vgg: neither a .keras or .h5 file nor a model in"),
        (
            lambda: Subclassed(name="sub"),
            "model: sub: Subclassed is a subclassed model without one known input shape; call it on an image",
        ),
        (lambda: keras.Sequential([keras.layers.Dense(2)], name="open"), "model: open has no input shape"),
        (flat, r"model: flat: it takes no images but \(None, 10\)"),
        (text, r"model: text: it takes no images but \(None, 9\), \(None, 4\)"),
    ],
)
def test_no_model(function: str, model: Callable[[], Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected) as raised:
        call(function, model())
    assert "\n" not in str(raised.value)


PREPROCESSING = [
    (None, "preprocessing: not given; say what tiny was trained on: raw"),
    ("cafe", "preprocessing: unknown 'cafe'; nearest: caffe"),
    (5, "preprocessing: int 5 given; expected raw"),
    ((1, 2, 3), r"preprocessing: tuple \(1, 2, 3\) given"),
    (("a", "b"), "preprocessing: tuple"),
    ((1, 0), r"preprocessing: range \(1, 0\) given; expected \(lowest, highest\)"),
    ((0, np.inf), "preprocessing: range"),
    (lambda x: np.asarray(x) / 255, r"preprocessing: the function can't be used: NotImplementedError: .*keras\.ops"),
    (
        lambda x: x[..., :1],
        r"the function can't be used: it makes \(None, 24, 24, 1\) of images \(None, 24, 24, 3\)",
    ),
    (lambda x: None, "the function can't be used: it makes None"),
    (lambda: 1, r"the function can't be used: TypeError"),
]
LAYERS = [
    ("expnd", "no conv layer 'expnd'; nearest: expand"),
    ("classes", "no conv layer 'classes'"),
]
FILTERS = [
    (3, "filters: int 3 given; expected a list of numbers; expand has 0..7"),
    ("0", "filters: str '0' given; expected a list of numbers"),
    ([], "filters: none given; expected a list of numbers; expand has 0..7"),
    ([1.0], "filters: float 1.0 in the list; expected whole numbers"),
    ([True], "filters: bool True in the list"),
    ([8], "filters: 8 is out of range; expand has 0..7"),
    ([-1], "filters: -1 is out of range; expand has 0..7"),
    ([2, 2], "filters: 2 is given twice"),
]
IMAGES = [
    (np.zeros((24, 24)), r"shape \(24, 24\) given; expected \(n, height, width, 3\) or \(height, width, 3\)"),
    (np.zeros((24, 24, 2)), r"shape \(24, 24, 2\) given"),
    (np.zeros((0, 24, 24, 3)), r"shape \(0, 24, 24, 3\) given"),
    (np.full((24, 24, 3), np.nan), "hold NaN or infinity"),
    (np.full((24, 24, 3), 256), r"numbers in 256\.\.256 given; expected 0\.\.255"),
    (np.full((24, 24, 3), -1.0), r"numbers in -1\.\.-1 given"),
    (np.full((24, 24, 3), 0.5), r"numbers in 0\.5\.\.0\.5 given; expected 0\.\.255: multiply them by 255"),
    (np.full((24, 24, 3), "a"), "dtype <U1 given"),
    (np.zeros((24, 24, 3), bool), "dtype bool given"),
    (None, "NoneType None given; expected"),
    (5, r"shape \(\) given"),
    ([], "none given"),
    (["nothing.png"], "no file 'nothing.png'"),
    (Image.new("F", (8, 8)), "a PIL image of mode F; expected 8 bits"),
]


def wrong(argument: str, cases: list[Any], functions: tuple[str, ...]) -> list[Any]:
    return [pytest.param(f, argument, *case, id=f"{f} {case[1][:40]}") for f in functions for case in cases]


@pytest.mark.parametrize(
    ("function", "argument", "value", "expected"),
    [
        *wrong("preprocessing", PREPROCESSING, ("maximize", "feature_maps", "examples", "explain")),
        *wrong("preprocessing", PREPROCESSING[1:], ("kernels",)),
        *wrong("layer", LAYERS, FUNCTIONS),
        *wrong("layer", [(5, "layer: int 5 given; expected a layer's name")], FUNCTIONS[1:]),
        *wrong("filters", FILTERS, ("maximize", "examples")),
        *wrong("images", IMAGES, ("feature_maps", "examples", "explain")),
        *wrong("natural", [case for case in IMAGES if case[0] is not None], ("maximize",)),
        *wrong("size", [(0, "size: int 0 given; expected a whole number"), ("a", "size: str 'a'")], ("feature_maps",)),
        ("maximize", "size", 2.5, "size: float 2.5 given"),
        ("maximize", "what", 5, "what: int 5 given; expected a layer's name and its filters, or objectives"),
        ("maximize", "what", [], r"what: list \[\] given"),
        ("maximize", "what", channel("expand", 0), "filters: given with objectives"),
        ("maximize", "step", 3, "unknown option 'step'; nearest: steps"),
        ("maximize", "steps", 0, "steps: int 0 given; expected a whole number, 1 or more"),
        ("maximize", "optimizer", "adm", "optimizer: str 'adm' given; nearest: adam"),
        ("maximize", "jitter", 2, r"jitter: int 2 given; expected a number in 0\.\.0\.5"),
        ("maximize", "snapshots", 3, "snapshots: int 3 given; expected steps"),
        ("maximize", "stability_steps", -1, "stability_steps: int -1 given"),
        ("maximize", "memory_mb", "much", "memory_mb: str 'much' given"),
        ("maximize", "parameterization", "maco", "natural: not given"),
        ("examples", "count", 0, "count: int 0 given"),
        ("maximize", "start", np.zeros((2, 24, 24, 3)), "start: 2 images given; expected one"),
        ("explain", "image", np.zeros((2, 24, 24, 3)), "image: 2 images given; expected one"),
        ("explain", "class_", 4, r"class_: 4 is out of range; there are 0\.\.3"),
        ("explain", "class_", "cat", "class_: no class 'cat'; valid: class 0"),
        ("explain", "class_", 1.5, "class_: float 1.5 given; expected a whole number"),
        ("explain", "class_names", ["a", "b"], r"class_names: 2 given \(a, b\), but the output .* has 4; expected 4"),
    ],
)
def test_mistakes_are_one_line(
    function: str, argument: str, value: Any, expected: str, tiny: Callable[..., Any]
) -> None:
    with pytest.raises(InputError, match=expected) as raised:
        call(function, tiny(head=True), **{argument: value})
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 240


def test_a_layer_itself_is_answered_with_its_name(tiny: Callable[..., Any]) -> None:
    network = tiny()
    with pytest.raises(InputError, match=r"expected a layer's name, here 'first'"):
        cnnviz.kernels(network, network.get_layer("first"))  # type: ignore[arg-type]


def test_options_say_the_same_as_params() -> None:
    fields = MaximizeSection.model_fields
    for name, words in options.WORDS.items():
        assert typing.get_args(fields[name].annotation) == words
    for name, (low, high) in options.NUMBERS.items():
        said = str(fields[name])
        assert f"le={high}" in said or f"lt={high}" in said, said
        assert f"ge={low}" in said or f"gt={low}" in said, said
    for contrast in ("auto", 0, 1.5, 100):
        options.checked({"contrast": contrast})
        MaximizeSection(contrast=contrast)
    for contrast in ("high", -1, 101, True, None, [1], float("nan")):
        with pytest.raises(InputError, match=r"^contrast: .*; expected auto, or a number in 0\.\.100, 0 for any$"):
            options.checked({"contrast": contrast})
        with pytest.raises(ValidationError, match=r"expected auto, or a number from 0 \(any contrast\) to 100"):
            MaximizeSection(contrast=contrast)


@pytest.fixture
def subject() -> given.Subject:
    return given.subject(keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3)], name="any"))


def test_images_of_every_kind_become_the_same_numbers(
    tmp_path: Path, rng: np.random.Generator, tiny: Callable[..., Any]
) -> None:
    of = given.subject(tiny())
    small, large = (rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((24, 24), (40, 60)))
    Image.fromarray(large).save(tmp_path / "large.png")
    wanted = resize([small, large], (24, 24))
    assert wanted.shape == (2, 24, 24, 3)
    np.testing.assert_array_equal(wanted[0], small)
    picture = Image.fromarray(large)
    for two in (
        [small, large],
        (small, str(tmp_path / "large.png")),
        [small, tmp_path / "large.png"],
        [small, picture],
    ):
        np.testing.assert_array_equal(pixels.images(two, of), wanted)
    np.testing.assert_allclose(pixels.images(large.astype(float), of)[0], wanted[1], atol=1)  # not rounded
    np.testing.assert_array_equal(pixels.images(small[None], of), wanted[:1])
    assert pixels.images(large, of, 32).shape == (1, 32, 32, 3)
    assert pixels.images(large, of).dtype == np.float32


def test_a_network_of_any_size_sees_images_in_their_own(subject: given.Subject) -> None:
    assert pixels.images(np.zeros((2, 10, 14, 3)), subject).shape == (2, 10, 14, 3)
    different = [np.zeros((10, 14, 3)), np.zeros((12, 14, 3))]
    with pytest.raises(InputError, match=r"images: of 2 sizes, and any takes any; say which: size=224"):
        pixels.images(different, subject)
    assert pixels.images(different, subject, 16).shape == (2, 16, 16, 3)


def test_grey_networks_take_grey_images_and_files(tmp_path: Path, rng: np.random.Generator) -> None:
    of = given.subject(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)]))
    grey = rng.integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    for one in (grey, grey[..., None], grey[None, ..., None], tmp_path / "grey.png", Image.fromarray(grey)):
        np.testing.assert_array_equal(pixels.images(one, of)[0, ..., 0], grey)
    rgb = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    luminance = np.asarray(Image.fromarray(rgb).convert("L"))
    for one in (rgb, rgb[None], Image.fromarray(rgb), [rgb]):
        np.testing.assert_array_equal(pixels.images(one, of)[0, ..., 0], luminance)
    assert pixels.images(np.zeros((5, 8, 8)), of).shape == (5, 8, 8, 1)
    with pytest.raises(InputError, match=r"shape \(8, 8, 4\) given"):
        pixels.images(np.zeros((8, 8, 4)), of)
    with pytest.raises(InputError, match="'caffe' is for RGB images"):
        given.preprocessing("caffe", of)
    five = given.subject(keras.Sequential([keras.Input((8, 8, 5)), keras.layers.Conv2D(2, 3)]))
    with pytest.raises(InputError, match="a picture has 1 or 3 channels, the network reads 5"):
        pixels.images(tmp_path / "grey.png", five)


def test_a_stored_model_knows_its_preprocessing_and_classes(
    tiny: Callable[..., Any],
    raw: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rng: np.random.Generator,
) -> None:
    network = tiny(head=True)
    spec = {**raw, "scale": [0.5, 1, 2], "offset": [-1, 2, 3], "reverse_channels": True}
    folder = tmp_path / "artifacts" / "models" / "net"
    folder.mkdir(parents=True)
    store.save(
        "net", store.Loaded(network, "t", "file", "o", "l", "w", (24, 24, 3), spec, ["a", "b", "c", "d"]), folder
    )
    network.save(tmp_path / "net.keras")
    monkeypatch.chdir(tmp_path)
    image = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    wanted = image[None, ..., ::-1] * np.float32([0.5, 1, 2]) + np.float32([-1, 2, 3])
    first = keras.Model(network.input, network.get_layer("first").output)(wanted)
    np.testing.assert_allclose(cnnviz.feature_maps("net", image, "first").maps, first, rtol=1e-4, atol=1e-3)
    assert cnnviz.kernels("net", "first").reverse_channels
    assert set(cnnviz.explain("net", image).class_names) == {"a", "b", "c", "d"}
    by_file = cnnviz.feature_maps("net.keras", image, "first", preprocessing=lambda x: x[..., ::-1] * [0.5, 1, 2] + 1.0)
    assert by_file.maps.shape == (1, 24, 24, 6)
    with pytest.raises(InputError, match=r"not given; say what net\.keras was trained on"):
        cnnviz.feature_maps(tmp_path / "net.keras", image)


PLAIN = """
import sys
for name in "dvc mlflow pydantic jinja2 yaml matplotlib tqdm filelock".split():
    sys.modules[name] = None
import keras, numpy as np
import cnnviz
x = inputs = keras.Input((16, 16, 3))
x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x)
x = keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
model = keras.Model(inputs, x)
model.save("model.keras")
images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
known = {"preprocessing": "unit"}
for made in (
    cnnviz.maximize(model, "conv", [0, 1], natural=images, steps=3, snapshots=(1,), size=16, **known),
    cnnviz.kernels("model.keras", "conv"),
    cnnviz.feature_maps("model.keras", images, **known),
    cnnviz.examples("model.keras", images, "conv", [1, 2], **known),
    cnnviz.explain("model.keras", images[0], **known),
):
    print(made, len(made._repr_html_()) > 100, len(made.save("out")))
print(cnnviz.borrow("model.keras", "conv", [1]).kernel.shape)
print(*dir(cnnviz))
"""


@pytest.mark.pipeline
def test_a_plain_install_is_enough(tmp_path: Path) -> None:
    """Only TensorFlow, NumPy, Pillow, SciPy and lazy-loader: no DVC, no MLflow, nothing of the pipeline's."""
    env = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""}
    run = subprocess.run([sys.executable, "-c", PLAIN], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    *made, borrowed, names = run.stdout.splitlines()
    assert len(made) == 5
    assert all("True" in line for line in made)
    assert borrowed == "(3, 3, 3, 1)"
    assert set(names.split()) >= {*FUNCTIONS, "borrow", "Result", "InputError", "objectives"}


def test_tab_shows_the_public_names_and_nothing_else() -> None:
    stub = (ROOT / "cnnviz/__init__.pyi").read_text(encoding="utf-8")
    public = [line.split(" as ")[1].split()[0] for line in stub.splitlines() if line.startswith("from")]
    assert sorted(n for n in dir(cnnviz) if not n.startswith("_")) == sorted(public)
    assert {*FUNCTIONS, "borrow"} <= set(public)
    assert all(getattr(cnnviz, name) is not None for name in public)


@pytest.mark.parametrize("function", [one for one in FUNCTIONS if one != "kernels"])
def test_two_scalings_are_said_once(function: str) -> None:
    image = keras.Input((24, 24, 3))
    x = keras.layers.Conv2D(4, 3, name="expand")(keras.layers.Rescaling(1 / 255, name="scale")(image))
    x = keras.layers.Dense(3, "softmax")(keras.layers.GlobalAveragePooling2D()(x))
    with pytest.warns(UserWarning, match=r"rescales by itself \(scale: x/255\) and the preprocessing unit") as said:
        call(function, keras.Model(image, x))
    assert sum("rescales by itself" in str(one.message) for one in said) == 1
    assert all(one.filename == __file__ for one in said if "rescales" in str(one.message))
