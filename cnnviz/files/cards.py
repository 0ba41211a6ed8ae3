"""Graphics cards: whether this process may use one, and what is said where it is missing, too old, full or lost.

The variable GPU of the environment: 1 asks for a card, 0 hides those that there are; without it, what TensorFlow finds
is used. TensorFlow is never imported here.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cnnviz import device
from cnnviz.errors import InputError, quoted, reason

ASKED = "GPU"
DRIVERS = ("/dev/nvidiactl", "/dev/dxg")  # Linux's, and that of Linux inside Windows

_FULL = re.compile(
    r"out of memory|\bOOM\b|OUT_OF_MEMORY|RESOURCE_EXHAUSTED|ALLOC_FAILED|failed to allocate|tensor is not initialized",
    re.IGNORECASE,
)
_CARD = re.compile(r"cuda|cudnn|cublas|cufft|cusolver|DNN library|\bGPU\b|PTX|nvlink", re.IGNORECASE)
_SHAPE = re.compile(r"shape(?: of)? ?\[([\d, ]+)\]")


def settle() -> None:
    """Set up TensorFlow by the environment, for this process and those that it starts: a card's memory is taken as it
    is needed, so that others can use the card. Raises InputError for another GPU than 0 and 1.
    """
    asked = os.environ.get(ASKED, "")
    if asked not in ("", "0", "1"):
        raise InputError(f"{ASKED}={quoted(asked)} in the environment; expected 1, to compute on a graphics card, or 0")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if asked == "0":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def check(tensorflow: Any) -> None:
    """Have a card compute the same numbers every time, and float32's: kernels that add in one order, no TF32, but where
    the maximizer asks for it.

    Raises InputError where a card was asked for and TensorFlow sees none, or where it has no kernels for it.
    """
    if os.environ.get(ASKED) == "0":
        return
    here, least = device.here(), _least(tensorflow.sysconfig.get_build_info())
    if not here.gpu and os.environ.get(ASKED) == "1":
        raise InputError(
            f"{ASKED}=1: TensorFlow sees no graphics card; is it in the list of `nvidia-smi`? `make repro GPU=1` "
            f"installs what TensorFlow needs for it; {ASKED}=0 computes on the processor"
        )
    if here.capability and here.capability < least:
        raise InputError(
            f"{here.name}: compute capability {_dotted(here.capability)} is too old, this TensorFlow needs "
            f"{_dotted(least)} or newer; choose another card (CUDA_VISIBLE_DEVICES), or the processor: {ASKED}=0"
        )
    if here.gpu:
        tensorflow.config.experimental.enable_op_determinism()
        tensorflow.config.experimental.enable_tensor_float_32_execution(False)


def _least(build: Mapping[str, Any]) -> tuple[int, ...]:
    """The lowest compute capability that TensorFlow was built for: of `sm_60`, `compute_90` and their like (6, 0).

    It leaves older cards alone, with a line in its log: tensorflow/core/common_runtime/gpu/gpu_device.cc.
    """
    numbers = [int(re.sub(r"\D", "", name)) for name in build.get("cuda_compute_capabilities", ())]
    return divmod(min(numbers), 10) if numbers else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def failure(error: BaseException, again: str) -> str:
    """What to say, in one line, of an error of TensorFlow that comes of a card, or of a lack of memory anywhere; "" for
    all others. again: the command that goes on from here.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return ""
    errors = tensorflow.errors
    for one in _causes(error):
        if not isinstance(one, errors.OpError) or isinstance(one, errors.InvalidArgumentError):
            continue
        said, card = _own_words(one), _card()
        if isinstance(one, errors.ResourceExhaustedError) or _FULL.search(said):
            return _full(said, card, again)
        if card and _CARD.search(said):
            lost = f"{card}: lost, or at odds with TensorFlow ({reason(Exception(said), 160)})"
            return f"{lost}; `nvidia-smi` shows how it is. {_remedy(again)}"
    return ""


def _full(said: str, card: str, again: str) -> str:
    shape = _SHAPE.search(said)
    what = f" for a tensor of shape [{shape[1].replace(' ', '')}]" if shape else ""
    if not card or "device:CPU" in said:
        less = "lower maximize.memory or analyze.batch in params.yaml"
        return f"no memory left{what}: {less}, or end what else takes memory, then: {again}"
    less = "lower analyze.batch or maximize.max_size in params.yaml"
    return f"{card}: no memory left{what}; `nvidia-smi` shows who has it, or {less}. {_remedy(again)}"


def _remedy(again: str) -> str:
    return f"What was made is kept: {again} goes on from here, with {ASKED}=0 on the processor"


def _own_words(error: BaseException) -> str:
    """TensorFlow puts the graph's nodes and a stack before what is wrong."""
    return str(getattr(error, "message", None) or error).rsplit("\nNode: ", 1)[-1]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of: Keras puts others in place of TensorFlow's."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _card() -> str:
    """The card's name, "" where there is none."""
    try:
        here = device.here()
    except Exception:  # of a card that is gone
        return "the graphics card"
    return here.name if here.gpu else ""


def likely() -> bool:
    """Whether a driver of a card is here and the card is not hidden; without TensorFlow."""
    return os.environ.get(ASKED) != "0" and any(Path(one).exists() for one in DRIVERS)


def used() -> dict[str, str]:
    """What TensorFlow computes on in this process, for timings and MLflow's tags; empty where it was not imported."""
    if "tensorflow" not in sys.modules:
        return {}
    here = device.here()
    capability = _dotted(here.capability) if here.capability else ""
    found = {"device": str(here), "capability": capability, "cudnn": here.cudnn}
    return {name: value for name, value in found.items() if value}


def computed_on(timing: Mapping[str, Any]) -> str:
    """Of a timings file, for people: the card, where one was used, and the processor; "" for unknown."""
    noted = timing.get("device")
    name = str(noted.get("device", "")) if isinstance(noted, dict) else ""
    return "; ".join(filter(None, (name if name != str(device.CPU) else "", str(timing.get("cpu", "")))))
