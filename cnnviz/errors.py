"""Errors that a user can mend: one line that says what, where, what was expected and what to try."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something given to cnnviz is wrong. The message is one line, meant for the user; stages print it and exit 1."""


def choices(given: str, valid: Iterable[str], limit: int = 8) -> str:
    """Return `nearest: a, b` if some valid names resemble the given one, else `valid: a, b, …`."""
    names = list(valid)
    near = difflib.get_close_matches(given, names, n=3, cutoff=0.5)
    if near:
        return "nearest: " + ", ".join(near)
    more = f", … ({len(names)} in all)" if len(names) > limit else ""
    return "valid: " + ", ".join(names[:limit]) + more
