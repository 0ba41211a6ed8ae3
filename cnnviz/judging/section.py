"""`judge` in params.yaml: docs/params.md explains each key."""

from cnnviz.fields import Key, Section

AUTO = "auto"


class JudgeSection(Section):
    network: Key = AUTO
