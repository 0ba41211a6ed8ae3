"""What the stage `models` does: get one model of params.yaml, verify it and store it."""

from pathlib import Path

from cnnviz.files import fresh, say
from cnnviz.networks.section import ModelSection


def run(key: str, section: ModelSection, artifacts: Path) -> None:
    """Write the model `key` into `<artifacts>/models/<key>`. Raises InputError where it can't be had."""
    from cnnviz.networks import loading, store  # TensorFlow: only after the params are known to be right

    loaded = loading.get(key, section)
    for note in store.save(key, loaded, fresh(artifacts / "models" / key), section.output):
        say(f"{key}: {note}")
