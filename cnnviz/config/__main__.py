"""What has to be true before `dvc repro`: `python -m cnnviz.config` checks params.yaml, one line per mistake, also
against the user's files, inputs/notes.yaml and the models that are stored by now, and that DVC can read the files in
inputs.

It also removes the outputs of models that params.yaml no longer names.
"""

from itertools import islice

from cnnviz.files import command

MOST = 5  # lines of files

with command():  # it heeds Ctrl-C while the rest is imported
    from cnnviz.config import notes
    from cnnviz.config.known import complaints
    from cnnviz.config.params import load
    from cnnviz.config.prune import prune
    from cnnviz.errors import InputError
    from cnnviz.files import ARTIFACTS
    from cnnviz.images import faults

    notes.keep()
    params = load()
    lines = list(islice(faults((key, one.folder) for key, one in params.images.sets.items()), MOST))
    if lines := lines or list(islice(complaints(params, ARTIFACTS), MOST)):
        raise InputError("\nerror: ".join(lines))
    removed = prune(set(params.models))
for name in sorted({folder.name for folder in removed}):
    print(f"removed the outputs of {name}, which params.yaml no longer names (DVC's cache keeps them)")
