"""A picture at a step of a run that is not cnnviz's own, as that of a training."""

import os
from pathlib import Path

import numpy as np
from PIL import Image


def log_picture(run: str, key: str, step: int, path: Path) -> None:
    """Give a run, in the store that MLFLOW_TRACKING_URI names, a picture on the step slider of its page."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    with Image.open(path) as picture:
        mlflow.MlflowClient().log_image(run, np.asarray(picture), key=key, step=step)
