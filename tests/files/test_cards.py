"""What is said where a graphics card is missing, too old, full or lost, and where memory is full without one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.python.framework import config  # op determinism can't be turned off otherwise

from cnnviz import device
from cnnviz.errors import InputError
from cnnviz.files import cards
from tests.clone import ROOT

BODY = "from cnnviz.files import stage\nwith stage('s'):\n    {}"
OLD = device.Device("gpu", "NVIDIA GeForce GTX 960", (5, 2), 4 * device.GIB, "9.10.0")
NEW = device.Device("gpu", "NVIDIA H200", (9, 0), 140 * device.GIB, "9.19.0")
without_a_card = pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="a GPU is there")


def run(folder: Path, body: str, **env: str) -> "subprocess.CompletedProcess[str]":
    plain = {name: value for name, value in os.environ.items() if name not in ("GPU", "CUDA_VISIBLE_DEVICES")}
    command = [sys.executable, "-c", BODY.format(body)]
    env = {**plain, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@without_a_card
def test_a_card_that_is_asked_for_and_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "import keras", GPU="1")
    assert done.returncode == 1
    assert done.stderr == (
        "error: GPU=1: TensorFlow sees no graphics card; is it in the list of `nvidia-smi`? `make repro GPU=1` "
        "installs what TensorFlow needs for it; GPU=0 computes on the processor\n"
    )


def test_another_value_than_0_and_1(tmp_path: Path) -> None:
    done = run(tmp_path, "pass", GPU="all")
    assert done.returncode == 1
    assert done.stderr == "error: GPU='all' in the environment; expected 1, to compute on a graphics card, or 0\n"


def test_cards_are_hidden_or_give_memory_as_it_is_needed(tmp_path: Path) -> None:
    body = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ['TF_FORCE_GPU_ALLOW_GROWTH'])"
    assert run(tmp_path, body, GPU="0").stdout == "-1 true\n"
    assert run(tmp_path, body).stdout == "None true\n"
    assert run(tmp_path, body, TF_FORCE_GPU_ALLOW_GROWTH="false").stdout == "None false\n"


def test_no_memory_is_said_in_a_line(tmp_path: Path) -> None:
    """Of a real network on the processor: Keras puts an error of its own in place of TensorFlow's."""
    body = "import keras, numpy; x = keras.Input((1,)); "
    body += "y = keras.layers.Lambda(lambda v: keras.ops.zeros((2**24, 2**24)) + v)(x); "
    body += "keras.Model(x, y)(numpy.zeros((1, 1), 'float32'))"
    done = run(tmp_path, body, GPU="0")
    assert done.returncode == 1
    assert done.stderr == (
        "error: no memory left for a tensor of shape [16777216,16777216]: lower maximize.memory or analyze.batch in "
        "params.yaml, or end what else takes memory, then: make repro\n"
    )


def test_other_errors_keep_their_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "import tensorflow as tf; tf.reshape(tf.zeros(3), [2])", GPU="0")
    assert "Traceback" in done.stderr
    assert "InvalidArgumentError" in done.stderr


def test_a_process_that_c_code_ends_says_a_line(tmp_path: Path) -> None:
    done = run(tmp_path, "import os; os.abort()", GPU="0")
    assert done.returncode == -6
    assert done.stderr == (
        "error: ended from inside TensorFlow or another library: memory, perhaps. What was made is kept: make repro "
        "goes on\n"
    )


def test_the_oldest_kernels_of_this_tensorflow() -> None:
    assert cards._least(tf.sysconfig.get_build_info()) >= (6, 0)
    assert cards._least({"cuda_compute_capabilities": ["sm_100", "sm_90a", "compute_120"]}) == (9, 0)
    assert cards._least({}) == ()


@pytest.fixture
def as_before() -> Iterator[None]:
    """What a test sets TensorFlow to is undone."""
    settings = tf.config.experimental
    rounds, ordered = settings.tensor_float_32_execution_enabled(), config.is_op_determinism_enabled()
    yield
    settings.enable_tensor_float_32_execution(rounds)
    if not ordered:
        config.disable_op_determinism()


def test_a_card_computes_the_same_every_time(monkeypatch: pytest.MonkeyPatch, as_before: None) -> None:
    monkeypatch.delenv("GPU", raising=False)
    tf.config.experimental.enable_tensor_float_32_execution(True)
    cards.check(tf)  # a processor adds in one order as it is
    if not tf.config.list_physical_devices("GPU"):
        assert not config.is_op_determinism_enabled()
    monkeypatch.setattr(device, "here", lambda: NEW)
    cards.check(tf)
    assert config.is_op_determinism_enabled()
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_a_card_that_is_too_old(monkeypatch: pytest.MonkeyPatch, as_before: None) -> None:
    monkeypatch.delenv("GPU", raising=False)
    monkeypatch.setattr(device, "here", lambda: NEW)
    cards.check(tf)
    monkeypatch.setattr(device, "here", lambda: OLD)
    with pytest.raises(InputError, match=r"^NVIDIA GeForce GTX 960: compute capability 5\.2 is too old, .* GPU=0$"):
        cards.check(tf)
    monkeypatch.setenv("GPU", "0")
    cards.check(tf)


# What TensorFlow said to users whose card was full, gone or at odds with its libraries (its issues 48558, 33386, 46247)
SAID = [
    (tf.errors.InternalError, "CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory", "full"),
    (tf.errors.ResourceExhaustedError, "OOM when allocating tensor with shape[128,64,128,128] and type float on "
     "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc", "full"),
    (tf.errors.InternalError, "Failed copying input tensor to GPU:0: Dst tensor is not initialized.", "full"),
    (tf.errors.ResourceExhaustedError, "Out of memory while trying to allocate 8589934592 bytes.", "full"),
    (tf.errors.NotFoundError, "No algorithm worked!  Error messages: Profiling failure on CUDNN engine 1: "
     "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 16777216 bytes.", "full"),
    (tf.errors.InternalError, "CUDA runtime implicit initialization on GPU:0 failed. Status: all CUDA-capable devices "
     "are busy or unavailable", "lost"),
    (tf.errors.InternalError, "GPU sync failed", "lost"),
    (tf.errors.InternalError, "Failed to synchronize GPU for autotuning: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory "
     "access was encountered", "lost"),
    (tf.errors.UnknownError, "Failed to get convolution algorithm. This is probably because cuDNN failed to "
     "initialize", "lost"),
    (tf.errors.FailedPreconditionError, "DNN library initialization failed. Look at the errors above for more details.",
     "lost"),
    (tf.errors.InvalidArgumentError, "Cannot place the graph on GPU:0", ""),
    (tf.errors.InternalError, "Expected a rank of 4", ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), SAID)
def test_errors_of_cards_by_what_tensorflow_says(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], text: str, expected: str
) -> None:
    monkeypatch.setattr(device, "here", lambda: NEW)
    said = cards.failure(kind(None, None, f"Detected at node x\nNode: {text}"), "make repro")
    start = {"full": "NVIDIA H200: no memory left", "lost": "NVIDIA H200: lost, or at odds with TensorFlow (", "": ""}
    assert said.startswith(start[expected])
    assert bool(said) is bool(expected)
    assert "\n" not in said
    if said:
        assert said.endswith("What was made is kept: make repro goes on from here, with GPU=0 on the processor")
        assert "`nvidia-smi` shows" in said


def test_what_is_no_error_of_tensorflow_is_not_of_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "here", lambda: NEW)
    assert cards.failure(ValueError("CUDA out of memory"), "make repro") == ""


def test_what_a_stage_computed_on_in_words() -> None:
    cpu = "AMD EPYC, 2 cores; AuthenticAMD family 26"
    assert cards.computed_on({"cpu": cpu, "device": {"device": str(NEW)}}) == f"{NEW}; {cpu}"
    assert cards.computed_on({"cpu": cpu, "device": {"device": "CPU"}}) == cpu
    assert cards.computed_on({"cpu": cpu}) == cpu
    assert cards.computed_on({}) == ""


@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="no GPU: a card that is really full")
def test_a_full_card_is_said_in_a_line(tmp_path: Path) -> None:
    done = run(tmp_path, "import keras, tensorflow as tf; tf.zeros([2**20, 2**20])", GPU="1")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert ": no memory left" in done.stderr
