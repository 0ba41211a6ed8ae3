"""What this process computes on: the CPU, or the first graphics card that TensorFlow may use.

Asking starts nothing on the card: memory growth and the like can still be set afterwards.
"""

import ctypes
import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DRIVER = "libcuda.so.1"  # what TensorFlow itself needs to see a card
CUDNN = "libcudnn.so.9"
GIB = 2**30


@dataclass(frozen=True)
class Device:
    """kind: cpu or gpu; the rest is known of cards only. name: as its driver has it; capability: CUDA's compute
    capability, (major, minor), None of a card of another maker; memory: bytes that it has, used or not, 0 for unknown;
    cudnn: version of the library that is loaded, `9.19.0`, "" for unknown.
    """

    kind: str = "cpu"
    name: str = ""
    capability: tuple[int, int] | None = None
    memory: int = 0
    cudnn: str = ""

    @property
    def gpu(self) -> bool:
        return self.kind == "gpu"

    @property
    def gib(self) -> int:
        """Memory, rounded: drivers count a little more or less of the same card."""
        return round(self.memory / GIB)

    @property
    def parts(self) -> tuple[str, ...]:
        """What has to agree between two cards so that both make the same bytes; of a CPU nothing: `machine.kind`."""
        if not self.gpu:
            return ()
        capability = ".".join(map(str, self.capability)) if self.capability else "unknown"
        memory, cudnn = f"{self.gib} GiB" if self.memory else "memory unknown", f"cuDNN {self.cudnn or 'unknown'}"
        return (self.name, f"compute capability {capability}", memory, cudnn)

    def __str__(self) -> str:
        return ", ".join(self.parts) or "CPU"


CPU = Device()


def here() -> Device:
    """The device of this process: the first card that TensorFlow sees and has not been told to leave alone."""
    import tensorflow as tf

    cards = tf.config.get_visible_devices("GPU")
    return _card(cards[0].name) if cards else CPU


@cache
def _card(name: str) -> Device:
    """name: TensorFlow's, `/physical_device:GPU:0`; its number counts those that CUDA_VISIBLE_DEVICES leaves."""
    import tensorflow as tf

    (card,) = (one for one in tf.config.list_physical_devices("GPU") if one.name == name)
    details = tf.config.experimental.get_device_details(card)
    return Device(
        "gpu",
        str(details.get("device_name", card.device_type)),
        details.get("compute_capability"),
        _memory(int(name.rpartition(":")[2])),
        _cudnn() or str(tf.sysconfig.get_build_info().get("cudnn_version", "")),
    )


def _memory(number: int) -> int:
    """Bytes of a card, by CUDA's driver."""
    with suppress(OSError, AttributeError):
        cuda = ctypes.CDLL(DRIVER)
        handle, found = ctypes.c_int(), ctypes.c_size_t()
        asked = cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(handle), number)
        if not (asked or cuda.cuDeviceTotalMem_v2(ctypes.byref(found), handle)):
            return found.value
    return 0


def _cudnn() -> str:
    """Version of the cuDNN that TensorFlow has loaded, or that it would."""
    package = importlib.util.find_spec("nvidia")
    folders = list(package.submodule_search_locations or ()) if package else []
    for place in (CUDNN, *(str(Path(folder, "cudnn", "lib", CUDNN)) for folder in folders)):
        with suppress(OSError, AttributeError):
            number = int(ctypes.CDLL(place).cudnnGetVersion())
            return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return ""
