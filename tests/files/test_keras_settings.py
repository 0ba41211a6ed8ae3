"""Keras as the stages import it: quickly, and nothing is missing afterwards."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.pipeline


def test_what_keras_does_without_costs_no_time_and_is_there_afterwards() -> None:
    code = """
import sys
from cnnviz.files import use_defaults
from cnnviz.files.keras_settings import OPTIONAL
use_defaults()
import keras
print(sorted({name.split(".")[0] for name in sys.modules} & {"sklearn", "IPython", "pandas", "joblib"}))
print([name for name in OPTIONAL if name in sys.modules])
import matplotlib.pyplot, pandas
network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="ones")])
print(network.predict(pandas.DataFrame([[1.0, 2.0]]), verbose=0).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]", "[[3.0, 3.0]]"]
