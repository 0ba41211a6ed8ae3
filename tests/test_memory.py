"""Memory of a process that renders a layer, from outside."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.pipeline

# Random weights: memory does not depend on them. Network and canvas are small so that 256 filters take seconds.
RENDER = """
import sys, tempfile
from pathlib import Path
import keras
from cnnviz.maximization import Rendering, Settings, Surroundings, Wishes, Workshop, files
from cnnviz.objectives import channel

keras.utils.set_random_seed(1)
layers = keras.layers
network = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(4)])
network.add(layers.Conv2D(256, 3, activation="relu", name="wide"))
plain = {"scale": [1.0], "offset": [0.0], "reverse_channels": False}
shop, settings, layer = Workshop(network, plain, "", 3), Settings(steps=2, size=(32, 32)), "wide"
filters = list(range(int(sys.argv[1])))
each = shop.size(channel(layer, 0), settings, 1000)
with tempfile.TemporaryDirectory() as folder:
    writer = files.LayerWriter(Path(folder), layer, filters)
    work = Rendering("", shop.render, None, lambda done: None)
    for start in range(0, len(filters), each):
        wishes = Wishes(stability_steps=0)
        writer.add(work.judge(layer, filters[start : start + each], settings, wishes, Surroundings()))
    writer.finish()
status = Path("/proc/self/status").read_text().split()
print(len(filters), status[status.index("VmHWM:") + 1])
"""


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_256_filters_need_no_more_memory_than_16() -> None:
    peaks = {}
    for count in (16, 256):
        done = subprocess.run([sys.executable, "-c", RENDER, str(count)], capture_output=True, text=True, check=True)
        made, kilobytes = map(int, done.stdout.split()[-2:])
        assert made == count
        peaks[count] = kilobytes
    assert peaks[256] <= 1.1 * peaks[16], peaks
