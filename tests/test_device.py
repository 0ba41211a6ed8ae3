"""What TensorFlow computes on."""

import subprocess
import sys

import pytest
import tensorflow as tf

from cnnviz import device

H200 = device.Device("gpu", "NVIDIA H200", (9, 0), 150_110_011_392, "9.19.0")


def test_a_card_is_known_by_what_its_bytes_depend_on() -> None:
    assert H200.parts == ("NVIDIA H200", "compute capability 9.0", "140 GiB", "cuDNN 9.19.0")
    assert str(H200) == "NVIDIA H200, compute capability 9.0, 140 GiB, cuDNN 9.19.0"
    other = device.Device("gpu", "METAL")
    assert other.parts == ("METAL", "compute capability unknown", "memory unknown", "cuDNN unknown")


def test_a_cpu_adds_nothing() -> None:
    assert device.CPU.parts == ()
    assert str(device.CPU) == "CPU"


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a GPU is there")
def test_without_a_card_it_is_the_cpu() -> None:
    assert device.here() == device.CPU


@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="no GPU: what a card says of itself")
def test_a_card_says_what_it_is() -> None:
    here = device.here()
    assert here.gpu
    assert here.capability >= (5, 0)
    assert here.memory > 2 * device.GIB
    assert here.cudnn.count(".") == 2
    tf.config.experimental.set_memory_growth(tf.config.list_physical_devices("GPU")[0], True)  # still possible


def test_importing_it_imports_no_tensorflow() -> None:
    code = "import sys; from cnnviz import device; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
