"""Errors that a user can mend: one line that says what, where, what was expected and what to try."""

import difflib
import re
import reprlib
from collections.abc import Iterable
from typing import Any


class InputError(Exception):
    """Something given to cnnviz is wrong. The message is one line, meant for the user; stages print it and exit 1."""


LONGEST = 80  # characters of a value that a line quotes
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 4, LONGEST, LONGEST, LONGEST
_SHORT.maxlist = _SHORT.maxdict = _SHORT.maxtuple = _SHORT.maxset = LONGEST // 4


def quoted(value: Any) -> str:
    """A value as Python writes it, in one line of at most LONGEST characters, however large it is."""
    try:
        said = _SHORT.repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        said = f"a number of over {value.bit_length() * 3 // 10} digits" if isinstance(value, int) else "a long value"
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def shortened(text: str, longest: int) -> str:
    """A text of at most so many characters; what is left out is left out of its middle, for the reason ends it."""
    return text if len(text) <= longest else f"{text[: longest // 3]} … {text[3 - 2 * longest // 3 :]}"


def choices(given: str, valid: Iterable[str], limit: int = 8) -> str:
    """Return `nearest: a, b` if some valid names resemble the given one, else `valid: a, b, …`."""
    names = list(valid)
    near = difflib.get_close_matches(given, names, n=3, cutoff=0.5)
    if near:
        return "nearest: " + ", ".join(near)
    more = f", … ({len(names)} in all)" if len(names) > limit else ""
    return "valid: " + ", ".join(names[:limit]) + more


def reason(error: Exception, longest: int) -> str:
    """What Keras says, in one line: its last cause, without colours and the arguments that it lists behind it."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\{\{\w+ [^}]*\}\}", "", str(error))
    for mark in ("Exception encountered:", "Error message:", "Example error message for object"):
        text = text.rsplit(mark, 1)[-1]
    text = re.sub(r"^\s*Exception encountered when calling \S+\s+", "", text)
    said = " ".join(
        re.split(r"\s*(?:Arguments received by|Full object config:|Call arguments received by)", text)[0].split()
    )
    said = printable(said) or type(error).__name__
    return said if len(said) <= longest else said[: longest - 1] + "…"


def printable(text: str) -> str:
    """Without what would steer a terminal: names come from files that others made."""
    return "".join(c if c.isprintable() else "?" for c in text)


def said(given: Any) -> str:
    """A value in a line of an error: short, with its type."""
    text = " ".join(repr(given).split())
    return f"{type(given).__name__} {text if len(text) <= 40 else text[:39] + '…'}"
