"""`compare` in params.yaml: docs/params.md explains each key."""

from cnnviz.fields import Few, Section


class CompareSection(Section):
    matches: Few = 12
    changed: Few = 6
