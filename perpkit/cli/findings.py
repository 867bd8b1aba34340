"""What an examination finds, and how raw observations are judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from perpkit.cli.remedies import CLOCK, remedy
from perpkit.core.errors import PerpkitError
from perpkit.core.models import BookSnapshot, VenueHealth, VenueStatus

SKEW_NOTED = timedelta(seconds=1)
SKEW_REFUSED = timedelta(seconds=10)
"""Venues take timestamps some seconds old; a clock further off than this is wrong, whatever the venue forgives."""


class Verdict(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be tried, for a reason that another finding gives or that is no failure."""
    NOT_TRIED = "not_tried"
    """It would change something, so it is left alone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one step found.

    Attributes:
        check: A stable name: ``plugin``, ``credentials``, ``clock``, ``endpoint:fetch_account``, ``stream:orders``.
        detail: What was seen, or what went wrong.
        remedy: What to do, where something is wrong.
        took: How long the step took.
    """

    check: str
    verdict: Verdict
    detail: str
    remedy: str | None = None
    took: timedelta | None = None
    error: str | None = None


def failure(check: str, error: BaseException, took: timedelta | None = None) -> Finding:
    """Return the finding that an error makes, with its remedy."""
    code = getattr(error, "code", None)
    text = getattr(error, "message", None) or str(error) or "no message"
    said = f"{text} [{code}]" if code is not None and str(code) not in text else text
    name = type(error).__name__
    detail = said if isinstance(error, PerpkitError) else f"{name}: {said}"
    return Finding(check, Verdict.FAILED, detail, remedy(error), took, name)


def of_state(health: VenueHealth, took: timedelta) -> Finding:
    """Judge the venue's own account of its state."""
    told = health.message if health.message != health.status else None
    said = f"{health.status}{f': {told}' if told else ''}"
    if health.status is VenueStatus.OK:
        return Finding("venue", Verdict.OK, said, took=took)
    post_only = health.status is VenueStatus.POST_ONLY
    advice = "only post-only orders are taken now" if post_only else "new orders are refused until the venue is back"
    return Finding("venue", Verdict.WARNING, said, advice, took)


def of_clock(skew: timedelta, round_trip: timedelta | None) -> Finding:
    """Judge the clock, giving it the benefit of what the round trip leaves uncertain."""
    uncertain = (round_trip or timedelta()) / 2
    off = max(abs(skew) - uncertain, timedelta())
    way = "behind" if skew > timedelta() else "ahead of"
    detail = f"{_ms(abs(skew))} {way} the venue's (give or take {_ms(uncertain)})"
    if off > SKEW_REFUSED:
        return Finding("clock", Verdict.FAILED, detail, CLOCK)
    if off > SKEW_NOTED:
        return Finding("clock", Verdict.WARNING, detail, CLOCK)
    return Finding("clock", Verdict.OK, detail)


def _ms(length: timedelta) -> str:
    return f"{length / timedelta(milliseconds=1):.0f} ms"


def seen(answer: object) -> str:
    """Say in a few words what came."""
    if isinstance(answer, list):
        return "1 entry" if len(answer) == 1 else f"{len(answer)} entries"
    if isinstance(answer, BookSnapshot):
        return f"{len(answer.bids)} bids, {len(answer.asks)} asks"
    return "answered"


def doubtful(hook: str, answer: object) -> str | None:
    """Say what is odd about an answer that came without an error."""
    if hook in {"fetch_markets", "fetch_tickers"} and not answer:
        return "it answered, and lists nothing"
    if isinstance(answer, BookSnapshot) and answer.bids and answer.asks:
        bid, ask = answer.bids[0].price, answer.asks[0].price
        return f"the book is crossed: bid {bid}, ask {ask}" if bid >= ask else None
    return None
