"""Get one model of params.yaml, verify it and store it: `python -m stages.download_model <model>`."""

import sys

from cnnviz import params
from cnnviz.stage import ARTIFACTS, fresh, stage


def main(key: str) -> None:
    with stage(f"models@{key}"):
        chosen = params.load().models[key]
        from cnnviz import model_sources, models  # TensorFlow: only after the params are known to be right

        loaded = model_sources.get(key, chosen)
        models.save(key, loaded, fresh(ARTIFACTS / "models" / key))


if __name__ == "__main__":
    main(sys.argv[1])
