"""Follow a model's training, checkpoint by checkpoint: `python -m stages.follow_training <model>`."""

import sys

from cnnviz import config, epochs
from cnnviz.files import ARTIFACTS, stage


def main(key: str) -> None:
    with stage(f"epochs@{key}") as watch:
        params = config.load()
        sets, model = list(params.images.sets), params.models[key]
        epochs.run(key, model, params.maximize, params.analyze, params.random_seed, sets, ARTIFACTS, watch)


if __name__ == "__main__":
    main(sys.argv[1])
