"""Get one model of params.yaml, verify it and store it: `python -m stages.download_model <model>`."""

import sys

from cnnviz import config, networks
from cnnviz.files import ARTIFACTS, stage


def main(key: str) -> None:
    with stage(f"models@{key}"):
        networks.run(key, config.load().models[key], ARTIFACTS)


if __name__ == "__main__":
    main(sys.argv[1])
