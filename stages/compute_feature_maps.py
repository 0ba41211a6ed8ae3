"""Feature maps of one model on every image set: `python -m stages.compute_feature_maps <model>`."""

import sys

from cnnviz import activations, config
from cnnviz.files import ARTIFACTS, stage


def main(key: str) -> None:
    with stage(f"feature_maps@{key}") as watch:
        params = config.load()
        sets, channels = list(params.images.sets), params.models[key].channels
        activations.run(key, channels, params.feature_maps, sets, ARTIFACTS, watch)


if __name__ == "__main__":
    main(sys.argv[1])
