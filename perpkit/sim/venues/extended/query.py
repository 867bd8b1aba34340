"""
Query parameters: what each operation takes, and from text to typed values or to the refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from multidict import MultiMapping

from perpkit.sim.venues.extended.errors import bad_request

MAX_LIMIT = 10_000
_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Param:
    """
    One query parameter.

    Args:
        kind: ``text`` or ``int``.
        enum: The only values, if there are any.
        repeats: It may be given several times; its value is a list.
    """

    name: str
    kind: str = "text"
    required: bool = False
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    repeats: bool = False


MARKETS = Param("market", repeats=True)
CURSOR = Param("cursor")
LIMIT = Param("limit", "int", minimum=1, maximum=MAX_LIMIT)
ORDER_SIDE = Param("side", enum=("BUY", "SELL"))
POSITION_SIDE = Param("side", enum=("LONG", "SHORT"))


def parse_query(
    where: str,
    params: tuple[Param, ...],
    query: MultiMapping[str],
    *,
    strict: bool,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """
    Return the typed query of a request; absent parameters are absent.

    Args:
        where: The operation, for messages.
        strict: Refuse what is not listed; otherwise ``note`` is told.

    Raises:
        ApiError: 400: a name that is not listed, a missing one, or a value outside type, enum or bounds.
    """
    known = {param.name: param for param in params}
    for name in query:
        if name not in known:
            problem = f"{where}: there is no parameter {name!r}; there are {', '.join(known) or 'none'}"
            if strict:
                raise bad_request(problem)
            note(problem)
    parsed: dict[str, Any] = {}
    for param in params:
        values = query.getall(param.name, [])
        if not values:
            if param.required:
                problem = f"{where}: parameter {param.name!r} is missing"
                if strict:
                    raise bad_request(problem)
                note(problem)
            continue
        if len(values) > 1 and not param.repeats:
            raise bad_request(f"{where}: parameter {param.name!r} is given {len(values)} times")
        typed = [_typed(param, text, where) for text in values]
        parsed[param.name] = typed if param.repeats else typed[0]
    return parsed


def _typed(param: Param, text: str, where: str) -> Any:
    if param.enum and text not in param.enum:
        raise bad_request(f"{where}: {param.name}={text!r} is not one of {', '.join(param.enum)}")
    if param.kind != "int":
        return text
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS:
        raise bad_request(f"{where}: {param.name}={text!r} is no whole number")
    value = int(text)
    low, high = param.minimum, param.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise bad_request(f"{where}: {param.name}={value} is not within {low} and {high}")
    return value
