"""The door of repro/: it is a command, `python -m cnnviz.repro`, and lends nothing."""
