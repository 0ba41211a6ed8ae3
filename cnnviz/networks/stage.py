"""What the stage `models` does: get one model of params.yaml, verify it and store it."""

from pathlib import Path

from cnnviz.files import fresh, say
from cnnviz.networks import selection
from cnnviz.networks.description import read_description
from cnnviz.networks.section import ModelSection


def run(key: str, section: ModelSection, artifacts: Path) -> None:
    """Write the model `key` into `<artifacts>/models/<key>`. Raises InputError where it can't be had."""
    from cnnviz.networks import loading, store  # TensorFlow: only after the params are known to be right

    loaded = loading.get(key, section)
    folder = fresh(artifacts / "models" / key)
    for note in store.save(key, loaded, folder, section.output):
        say(f"{key}: {note}")
    described = read_description(folder)
    for name in ("layers", "channels"):  # before other stages work for hours on the rest of the model
        selection.filters(getattr(section, name), described, f"params.yaml: models.{key}.{name}")
