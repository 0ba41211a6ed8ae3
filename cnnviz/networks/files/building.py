"""Build a network from the configuration of an older version, whose layers are wired by lists of places.

Keras's own reader misreads some of them: a nested network's calls were counted from 1, operations of TensorFlow are
layers, arguments by keyword may be tensors.
"""

from collections.abc import Mapping
from typing import Any

import keras

from cnnviz.networks.files import own_code, tensor_ops
from cnnviz.networks.files.mending import Unreadable, class_of, layers_of


def is_old(config: dict[str, Any]) -> bool:
    """Whether it is wired by lists, or names no modules, as Keras before version 3 and all of HDF5 do."""
    for layer in layers_of(config):
        nodes = layer.get("inbound_nodes") or ()
        if any(isinstance(node, list) for node in nodes) or layer["class_name"] in tensor_ops.CLASSES:
            return True
    return "module" not in config or any(
        word in str(config["module"]) for word in (".engine.", "tf_keras", "tensorflow")
    )


def build(config: dict[str, Any], own: Mapping[str, Any]) -> Any:
    """A layer or network; `own`: classes and functions of the user's, by name. Raises what Keras raises."""
    name = config["class_name"]
    if name == "Sequential" and name not in own:
        return _sequential(config["config"], own)
    if name == "Functional" and name not in own and "input_layers" in config["config"]:
        return _functional(config["config"], own)
    return _layer(config, own)


def _layer(config: dict[str, Any], own: Mapping[str, Any]) -> Any:
    config = {key: value for key, value in config.items() if key not in ("inbound_nodes", "name", "build_config")}
    name = config["class_name"]
    inner = config["config"]
    for key in ("layer", "backward_layer", "forward_layer"):
        if isinstance(inner.get(key), dict):
            inner[key] = build(inner[key], own)
    if (module := own_code.module_of(config)) and name not in own:
        config.update(module=config.get("module") or module, registered_name=None)
    elif class_of(config) is not None and name not in own:
        if any(isinstance(inner.get(key), keras.layers.Layer) for key in ("layer", "backward_layer")):
            return class_of(config)(**inner)  # type: ignore[misc]
        config.update(module="keras.layers", registered_name=None)
    elif not config.get("module", "").startswith("keras."):  # an operation of Keras keeps where it stands
        config.update(module=None, registered_name=config.get("registered_name") or name)
    return keras.saving.deserialize_keras_object(config, custom_objects=dict(own), safe_mode=True)


def _sequential(config: dict[str, Any], own: Mapping[str, Any]) -> keras.Sequential:
    network = keras.Sequential(name=config.get("name"))
    for layer in config["layers"]:
        network.add(build(layer, own))
    shape = config.get("build_input_shape")
    if not network.built and shape:
        network.build(tuple(shape))
    return network


class _Wiring:
    """The calls of a functional network: which are made, and what came out."""

    def __init__(self, config: dict[str, Any], own: Mapping[str, Any]) -> None:
        self.layers: dict[str, Any] = {}  # or operations, which are functions
        self.waiting: dict[str, list[Any]] = {}
        self.made: dict[str, list[list[Any]]] = {}  # by layer and call: all that came out
        for layer in config["layers"]:
            name = layer.get("name") or layer["config"]["name"]
            operation = layer["class_name"] in tensor_ops.CLASSES
            self.layers[name] = tensor_ops.operation(layer) if operation else build(layer, own)
            self.waiting[name] = list(layer.get("inbound_nodes") or [])
            self.made[name] = [[self.layers[name].output]] if layer["class_name"] == "InputLayer" else []
        self.first = self._first(config)
        self.named: dict[int, str] = {}  # operations of Keras by id

    def _first(self, config: dict[str, Any]) -> dict[str, int]:
        """From which number the calls of a layer are counted: nested networks began with 1, before Keras 3."""
        highest: dict[str, int] = {}

        def note(value: Any) -> None:
            if self.place(value):
                highest[value[0]] = max(highest.get(value[0], 0), value[1])
                value = value[3:]
            if isinstance(value, list | tuple):
                for item in value:
                    note(item)
            elif isinstance(value, dict):
                for item in value.values():
                    note(item)

        note([list(self.waiting.values()), config["output_layers"]])
        return {
            name: max(0, highest.get(name, 0) - len(nodes) + 1) if nodes else 0 for name, nodes in self.waiting.items()
        }

    def place(self, value: Any) -> bool:
        """Whether it is [layer, call, output] or [layer, call, output, arguments by keyword]."""
        return (
            isinstance(value, list)
            and len(value) in (3, 4)
            and isinstance(value[0], str)
            and (value[0] in self.layers or value[0] == "_CONSTANT_VALUE")
            and isinstance(value[1], int)
        )

    def tensor(self, name: str, call: int, output: int, first: int = 0) -> Any:
        """Raises IndexError where that call is not made yet."""
        return self.made[name][max(call - first, 0)][output]

    def resolved(self, value: Any) -> Any:
        """A nested structure with tensors in the place of places."""
        if self.place(value):
            if value[0] == "_CONSTANT_VALUE":
                return value[2]
            return self.tensor(value[0], value[1], value[2], self.first[value[0]])
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            return self.tensor(*value["config"]["keras_history"])
        if isinstance(value, dict):
            if "class_name" in value and "config" in value:
                return keras.saving.deserialize_keras_object(value, safe_mode=True)
            return {key: self.resolved(item) for key, item in value.items()}
        return value

    def arguments(self, value: Any) -> dict[str, Any]:
        """Those by keyword, which stand behind the first place of a call."""
        if self.place(value):
            return dict(value[3]) if len(value) == 4 else {}
        inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        return next((found for item in inside if (found := self.arguments(item))), {})

    def call(self, name: str, node: Any) -> None:
        layer = self.layers[name]
        if isinstance(node, dict) and "args" in node:  # as Keras 3 writes it
            args, kwargs = self.resolved(node["args"]), self.resolved(node["kwargs"])
        else:
            first = self.resolved(node)
            operation = not isinstance(layer, keras.layers.Layer)
            if isinstance(first, list) and len(first) == 1 and not operation:
                first = first[0]
            kwargs = self.resolved(self.arguments(node))
            if not operation:
                kwargs = {key: value for key, value in kwargs.items() if value is not None}
            args = [first]
        made = keras.tree.flatten(layer(*args, **kwargs))
        if not isinstance(layer, keras.layers.Layer):
            self.name_operations(made, name)
        self.made[name].append(made)

    def name_operations(self, tensors: list[Any], name: str) -> None:
        """Call new operations of Keras what the file calls them: numbered by Keras they may bear a layer's name."""
        todo = list(tensors)
        while todo:
            tensor = todo.pop()
            if not isinstance(tensor, keras.KerasTensor):  # sides of one
                continue
            operation, node, _ = tensor._keras_history
            if isinstance(operation, keras.layers.Layer) or id(operation) in self.named:
                continue
            again = sum(other == name or other.startswith(f"{name}-") for other in self.named.values())
            operation.name = self.named[id(operation)] = f"{name}-{again + 1}" if again else name
            todo += operation._inbound_nodes[node].input_tensors

    def run(self) -> None:
        while any(self.waiting.values()):
            before = sum(map(len, self.waiting.values()))
            for name, nodes in self.waiting.items():
                while nodes:
                    try:
                        self.call(name, nodes[0])
                    except IndexError:  # what goes in is not there yet
                        break
                    nodes.pop(0)
            if sum(map(len, self.waiting.values())) == before:
                left = [name for name, nodes in self.waiting.items() if nodes]
                raise Unreadable(f"its layers {', '.join(left[:5])} are wired to calls that the file does not have")

    def end(self, value: Any) -> Any:
        """Inputs or outputs of the network, in the structure that the file has."""
        if self.place(value):
            first = self.first[value[0]]
            calls = self.made[value[0]]
            return calls[max(min(value[1] - first, len(calls) - 1), 0)][value[2]]
        if isinstance(value, dict):
            return {key: self.end(item) for key, item in value.items()}
        return [self.end(item) for item in value]


def _functional(config: dict[str, Any], own: Mapping[str, Any]) -> keras.Model:
    wiring = _Wiring(config, own)
    wiring.run()
    inputs, outputs = wiring.end(config["input_layers"]), wiring.end(config["output_layers"])
    if isinstance(outputs, list) and len(outputs) == 1:
        outputs = outputs[0]  # a list of one would stay one where the network is nested
    return keras.Model(inputs, outputs, name=config.get("name"), trainable=config.get("trainable", True))
