"""Follow a model's training, checkpoint by checkpoint: `python -m stages.follow_training <model>`.

With `--shard 3/32` the third of 32 shares of its pictures, for the render cache alone: docs/clusters.md.
"""

from cnnviz import config, epochs, maximization
from cnnviz.errors import InputError, choices
from cnnviz.files import ARTIFACTS


def main(key: str, shard: str = "") -> None:
    with maximization.frame("epochs", "python -m stages.follow_training", key, shard) as watch:
        params = config.load()
        if key not in params.models:
            raise InputError(f"params.yaml: no model {key!r}; {choices(key, params.models)}")
        sets, model = list(params.images.sets), params.models[key]
        epochs.run(key, model, params.maximize, params.analyze, params.random_seed, sets, ARTIFACTS, watch, shard)


if __name__ == "__main__":
    main(*maximization.arguments(__doc__))
