"""What a run was computed from, for MLflow's data sets: the model and the image sets, with their digests."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cnnviz.files import ARTIFACTS, read_json


@dataclass(frozen=True)
class Input:
    """A model or a set of images. `digest` is a SHA-256, `source` where it comes from; `facts` are shown beside it."""

    name: str
    context: str
    digest: str
    source: str
    facts: dict[str, Any]


def model(name: str) -> Input:
    about = read_json(ARTIFACTS / "models" / name / "model.json")
    kept = ("title", "license", "trained_on", "input_shape", "parameters")
    return Input(name, "model", about["fingerprint"], about["origin"], {key: about[key] for key in kept})


def images(sets: Iterable[str]) -> list[Input]:
    return [_images(name, read_json(ARTIFACTS / "images" / "images.json")[name]) for name in sets]


def _images(name: str, about: dict[str, Any]) -> Input:
    facts = {"license": about["license"], "count": about["count"]}
    return Input(name, "images", about["sha256"], about["origin"], facts)


def sets_of(model: str) -> list[str]:
    """The image sets that a model was run on."""
    return sorted(path.parent.name for path in (ARTIFACTS / "feature_maps" / model).glob("*/statistics.json"))
