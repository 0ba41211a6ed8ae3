"""What of a network's settings tells its architecture: all but names, and what matters to training alone."""

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError, reason
from cnnviz.networks.files import recognise
from cnnviz.networks.series.kept import ODD

# Settings and layers that change nothing of what a trained network answers
IDLE = re.compile(
    r"name|trainable|dtype|seed|batch_shape|batch_input_shape|build_config|.*(initializer|regularizer|constraint)"
    r"|momentum|renorm.*|synchronized|dropout|recurrent_dropout|unroll|use_cudnn|flash_attention|implementation"
    r"|compile_config|registered_name|shared_object_id"
)
IDLE_LAYER = re.compile(
    r"(Spatial|Gaussian|Alpha)?Dropout(\dD)?|GaussianNoise|ActivityRegularization|Random(?!Crop)\w+|RandAugment|AugMix"
    r"|CutMix|MixUp"
)


def telling(settings: Any) -> Any:
    """Settings as JSON has them, without what is idle, in layers that a layer wraps, too."""
    if isinstance(settings, list):
        return [telling(one) for one in settings]
    if not isinstance(settings, dict):
        return settings
    return {key: telling(value) for key, value in settings.items() if not IDLE.fullmatch(key)}


def configured(network: Path) -> str:
    """SHA-256 of what of a .keras file tells its architecture; weights, and how its layers are called, are none of it.

    Raises InputError where it can't be read, or is no .keras file of bounded size.
    """
    recognise(network, str(network))
    try:
        with zipfile.ZipFile(network) as archive:
            found = json.loads(archive.read("config.json"))
        names: dict[str, str] = {}
        _name(found, names)
        said = json.dumps(telling(_counted(found, names)), sort_keys=True)
    except (*ODD, KeyError) as error:
        raise InputError(f"{network}: can't be read ({reason(error, 120)}); copy it again") from None
    return hashlib.sha256(said.encode()).hexdigest()


def _name(settings: Any, names: dict[str, str]) -> None:
    """Number the names of layers as they come, since Keras counts on in the names of what it builds."""
    if isinstance(settings, dict) and isinstance(name := settings.get("name"), str):
        names.setdefault(name, f"#{len(names)}")
    for value in settings.values() if isinstance(settings, dict) else settings if isinstance(settings, list) else ():
        _name(value, names)


def _counted(settings: Any, names: dict[str, str]) -> Any:
    """With numbers in the place of names, which say what a layer reads; without settings of layers that are idle."""
    if isinstance(settings, list):
        return [_counted(one, names) for one in settings]
    if not isinstance(settings, dict):
        return names.get(settings, settings) if isinstance(settings, str) else settings
    if IDLE_LAYER.fullmatch(str(settings.get("class_name"))):
        settings = settings | {"config": None}
    return {key: _counted(value, names) for key, value in settings.items()}
