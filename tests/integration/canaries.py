"""What every venue's test of its secrets shares: where a canary could show, and how one is looked for."""

from __future__ import annotations

import pickle
import traceback
from typing import Protocol

import pytest

from perpkit.core.errors import PerpkitError


class Watch(Protocol):
    """Knows secrets in each of the spellings that they may come in."""

    def found_in(self, text: str) -> str | None:
        """Name the secret that a text shows, if any."""
        ...


def words_of(error: BaseException) -> dict[str, str]:
    """Return all that an error shows: itself, its arguments and fields, its causes and traceback, and its pickle."""
    name = type(error).__name__
    words = {
        f"str({name})": str(error),
        f"repr({name})": repr(error),
        f"args of {name}": repr(error.args),
        f"fields of {name}": repr(vars(error)),
        f"traceback of {name}": "".join(traceback.format_exception(error)),
    }
    if isinstance(error, PerpkitError):
        words[f"pickle of {name}"] = repr(pickle.dumps(error))
    for inner in (error.__cause__, error.__context__):
        if inner is not None:
            words |= words_of(inner)
    # What tools that print local variables would show of our own objects.
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        for variable, value in trace.tb_frame.f_locals.items():
            if "/sim/" not in code.co_filename and is_ours(value):
                words[f"variable {variable} of {code.co_qualname}"] = repr(value)
        trace = trace.tb_next
    return words


def is_ours(value: object) -> bool:
    """Tell whether a value's repr is this library's to mind."""
    return type(value).__module__.startswith("perpkit.")


def check(canaries: Watch, words: list[str] | dict[str, str], where: str) -> None:
    """Fail where a text shows a secret; ``where`` names what was looked at."""
    for place, text in words.items() if isinstance(words, dict) else enumerate(words):
        seen = canaries.found_in(text)
        assert seen is None, f"{where} shows the {seen} ({place})"


def check_log(canaries: Watch, logged: pytest.LogCaptureFixture) -> None:
    """Look through every record: its text, its arguments, and the error that it bears."""
    assert logged.records, "nothing was logged: this proves nothing"
    for record in logged.records:
        parts = {"text": record.getMessage(), "arguments": repr(record.args), "fields": repr(record.__dict__)}
        if record.exc_info and record.exc_info[1] is not None:
            parts |= words_of(record.exc_info[1])
        check(canaries, parts, f"a record of {record.name}")


def everything_inside(root: object, most: int = 100_000) -> list[object]:
    """Walk through our own objects, whatever holds them."""
    seen: dict[int, object] = {}
    todo = [root]
    while todo and len(seen) < most:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            todo += value
        elif is_ours(value):
            todo += vars(value).values() if hasattr(value, "__dict__") else ()
            todo += [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    return [value for value in seen.values() if is_ours(value)]
