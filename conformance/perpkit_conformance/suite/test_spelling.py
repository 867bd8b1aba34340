"""Numbers in another spelling, and numbers that are not there: the same models, or an error that names the field."""

from __future__ import annotations

import re
from typing import Any

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Model
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit_conformance.suite.altering import recorded
from perpkit_conformance.suite.calls import Caller, a_life
from perpkit_conformance.target import Target

SPELT = [
    "fetch_ticker",
    "fetch_order_book",
    "fetch_trades",
    "fetch_account",
    "fetch_balances",
    "fetch_positions",
    "fetch_open_orders",
    "fetch_fills",
    "fetch_markets",
]

_FRACTION = re.compile(r"-?\d+\.\d+")
_BARE = re.compile(r'"bare (-?[\d.]+)"')


def _bare(answer: Any) -> Any:
    """Return an answer without the times at which it came."""
    if isinstance(answer, list):
        return [_bare(each) for each in answer]
    return answer.model_dump(exclude={"ts_received"}) if isinstance(answer, Model) else answer


def _exponent(text: str) -> str:
    """Return 12.5 as 125E-1."""
    digits = text.replace(".", "").lstrip("-").lstrip("0") or "0"
    return f"{'-' if text.startswith('-') else ''}{digits}E-{len(text.partition('.')[2])}"


def _bare_number(text: str) -> str:
    """Return a mark that becomes a JSON number without quotes."""
    return f"bare {text}"


@pytest.mark.rule("any-spelling-of-a-number")
@pytest.mark.parametrize("hook", [pytest.param(each, marks=pytest.mark.needs(each), id=each) for each in SPELT])
async def test_a_number_is_the_same_however_it_is_written(target: Target, venue: Venue, hook: str) -> None:
    """With a zero more, as a JSON number, with an exponent: the same models, or an error with the field."""
    a_life(target)
    caller = Caller(target, venue)
    way = caller.ways(hook)[-1]
    good, answer = await recorded(target, hook, way)
    fault = target.inject(hook, FaultAction.RESPELL, times=None)
    came = await caller.attempt(way)
    target.control.faults.remove(fault.id)
    assert _bare(came) == _bare(good), f"{hook}, 1.1 written as 1.10: expected {good!r}, came {came!r}"
    # Text with a point can be no id.
    fractions = [place for place in answer.numbers() if _FRACTION.fullmatch(str(answer.at(place)))]
    for name, spell in (("with an exponent", _exponent), ("as a JSON number", _bare_number)):
        body = answer.changed(*((place, spell(answer.at(place))) for place in fractions))
        came = await answer.played(_BARE.sub(r"\1", body), way)
        if isinstance(came, PerpkitError):
            continue
        assert _bare(came) == _bare(good), f"{hook}, numbers {name}: expected {good!r}, came {came!r}"


@pytest.mark.rule("any-spelling-of-a-number")
@pytest.mark.parametrize(
    "hook",
    [
        pytest.param(each, marks=pytest.mark.needs(each), id=each)
        for each in ("fetch_positions", "fetch_fills", "fetch_account", "fetch_open_orders")
    ],
)
@pytest.mark.parametrize("nothing", [None, ""], ids=["null", "blank"])
async def test_a_number_that_is_not_there_is_no_crash(
    target: Target, venue: Venue, hook: str, nothing: str | None
) -> None:
    """One after the other: a model or one of perpkit's errors, nothing foreign."""
    a_life(target)
    caller = Caller(target, venue)
    way = caller.ways(hook)[-1]
    _, answer = await recorded(target, hook, way)
    rows = answer.rows()
    for place in answer.numbers(rows[0] if rows else ()):
        try:
            await answer.played(answer.changed((place, nothing)), way)
        except Exception as error:
            raise AssertionError(f"{hook}: {place[-1]} as {nothing!r} raised {error!r}") from error
