"""Get one model of params.yaml, verify it and store it: `python -m stages.download_model <model>`."""

import sys

from cnnviz import config, networks
from cnnviz.files import ARTIFACTS, check_brought, stage


def main(key: str) -> None:
    with stage(f"models@{key}"):
        section = config.load().models[key]
        check_brought((f"models.{key}.{name}", path) for name, path in section.brought().items())
        networks.run(key, section, ARTIFACTS)


if __name__ == "__main__":
    main(sys.argv[1])
