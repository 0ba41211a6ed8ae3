"""Names of layers that TensorFlow can scope and files can carry, in place of those that can't."""

import re
import unicodedata
from typing import Any

from cnnviz.networks.files.mending import layers_of

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
TAKEN = ("objectives", "per_image")  # files of our own beside those of the layers


class Names:
    """The user's names -> safe ones, the same wherever a name comes again; unique without regard to case."""

    def __init__(self) -> None:
        self.safe: dict[str, str] = {}
        self._used: dict[str, str] = {}  # in lower case: the user's name that it belongs to

    def of(self, name: str) -> str:
        """The safe name; the name itself wherever it can be."""
        if name not in self.safe:
            wanted = name if SAFE.fullmatch(name) and name not in TAKEN else _cleaned(name)
            made, count = wanted, 1
            while self._used.setdefault(made.lower(), name) != name:
                count += 1
                made = f"{wanted}_{count}"
            self.safe[name] = made
        return self.safe[name]

    @property
    def titles(self) -> dict[str, str]:
        """The user's names of those that had to be changed."""
        return {safe: name for name, safe in self.safe.items() if safe != name}


def _cleaned(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain)[:90].lstrip("_.-").rstrip(".")
    return plain + "_layer" if plain in TAKEN else plain or "layer"


def rename(config: Any, names: Names) -> None:
    """Give all layers of a network's configuration safe names, in place: nested networks' and wrapped ones' too."""
    for layer in layers_of(config):
        inner = layer["config"]
        if isinstance(inner.get("layers"), list) and "input_layers" in inner:
            _rename_references(inner, names)
        for place in (inner, layer):
            if isinstance(place.get("name"), str):
                place["name"] = names.of(place["name"])


def _rename_references(network: dict[str, Any], names: Names) -> None:
    """The places of a functional configuration where one layer names another."""
    known = {layer.get("name") or layer.get("config", {}).get("name") for layer in network["layers"]}

    def of(value: Any) -> Any:
        if isinstance(value, list):
            layer = value[0] if len(value) in (3, 4) and isinstance(value[0], str) else None
            if layer in known and isinstance(value[1], int) and isinstance(value[2], int):
                return [names.of(str(layer)), *value[1:3], *(of(rest) for rest in value[3:])]
            return [of(item) for item in value]
        if isinstance(value, dict):
            return {key: of(item) for key, item in value.items()}
        return value

    for layer in network["layers"]:
        if "inbound_nodes" in layer:
            layer["inbound_nodes"] = of(layer["inbound_nodes"])
    for key in ("input_layers", "output_layers"):
        network[key] = of(network[key])
