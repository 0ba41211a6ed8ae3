"""YAML as people write it: every value in its place, no aliases, which params.yaml does not take."""

from typing import Any

import yaml


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(data: Any) -> str:
    return str(yaml.dump(data, Dumper=_Plain, sort_keys=False))
