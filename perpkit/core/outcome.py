"""
Three outcomes, never two: what it means when the sending of an order command fails, and how an unknown outcome is found
out.

:func:`order_outcome` stands around the one call that sends. :func:`resolve_order` only reads; nothing in perpkit sends
an order again on its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from perpkit.core.clock import Clock
from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    ConfigError,
    DecodeError,
    NotSentError,
    OrderNotFoundError,
    OutcomeUnknownError,
    PerpkitError,
    RateLimitError,
    RejectReason,
    TransportError,
    UnmappedVenueError,
)
from perpkit.core.lifecycle import OrderTracker, merge
from perpkit.core.models.fill import Fill
from perpkit.core.models.market import MarketId
from perpkit.core.models.order import Order, OrderIntent, OrderRef, OrderStatus

log = logging.getLogger(__name__)

T = TypeVar("T")

MARGIN = timedelta(seconds=10)
"""Added to a venue's acceptance window before absence counts: clocks differ, and history lags."""

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_SERVER_ERROR = 500
_TIMED_OUT = 408


# Sending


@contextmanager
def order_outcome(
    *,
    venue: str,
    operation: str,
    client_order_id: str | None = None,
    refused_before_processing: bool = False,
) -> Iterator[None]:
    """
    Stand around the sending of one order command and the reading of its answer.

    What proves nothing becomes :class:`OutcomeUnknownError`: a timeout, a lost connection, a 5xx that is not the
    venue's own, an answer that can't be read for whatever reason, and a rate limit unless the venue documents that it
    refuses before processing. ``NotSentError`` and the venue's own "no" pass. Cancellation passes untouched, with a
    note on it. Wait for the rate limiter, sign and look up tokens before the block.

    Args:
        refused_before_processing: The venue documents that a rate-limited command was not processed.

    Raises:
        OutcomeUnknownError: The command may have taken effect.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        what = _named(operation, venue, client_order_id)
        error.add_note(f"{what} was under way when it was canceled: its outcome is unknown")
        log.warning("%s was under way when it was canceled: its outcome is unknown", what)
        raise
    except PerpkitError as error:
        _complete(error, venue, operation, client_order_id)
        if not _proves_nothing(error, refused_before_processing=refused_before_processing):
            raise
        raise _unknown(error, venue, operation, client_order_id) from error
    except Exception as error:
        # Whatever broke, it broke after the command may have left: a defect in reading the answer is no refusal.
        raise _unknown(error, venue, operation, client_order_id) from error


def _proves_nothing(error: PerpkitError, *, refused_before_processing: bool) -> bool:
    if isinstance(error, NotSentError):
        return False
    if isinstance(error, RateLimitError):
        return not refused_before_processing
    if isinstance(error, UnmappedVenueError):
        # A code that nobody has placed, in a server's failure or a gateway's time-out, may come from after the order
        # was taken.
        return error.status is not None and (error.status >= _SERVER_ERROR or error.status == _TIMED_OUT)
    return isinstance(error, TransportError | DecodeError)


def _unknown(error: Exception, venue: str, operation: str, client_order_id: str | None) -> OutcomeUnknownError:
    cause = error.message if isinstance(error, PerpkitError) else "the answer could not be read"
    message = f"it may have taken effect ({type(error).__name__}: {cause}); resolve it, don't send it again"
    return OutcomeUnknownError(message, venue=venue, operation=operation, client_order_id=client_order_id)


def _complete(error: PerpkitError, venue: str, operation: str, client_order_id: str | None) -> None:
    """Add what the place that raised did not know."""
    error.venue = error.venue or venue
    error.operation = error.operation or operation
    error.client_order_id = error.client_order_id or client_order_id


def _named(operation: str, venue: str, client_order_id: str | None) -> str:
    return f"{operation} {client_order_id or ''}".strip() + f" on {venue}"


def unknown_for_each(error: OutcomeUnknownError, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
    """Return the failure of a whole batch as one unknown outcome for each of its orders."""
    results: list[Order | PerpkitError] = []
    for intent in intents:
        each = OutcomeUnknownError(
            error.message, venue=error.venue, operation=error.operation, client_order_id=intent.client_order_id
        )
        each.__cause__ = error
        results.append(each)
    return results


# Finding out


class OrderReads(Protocol):
    """
    Where an order may be found. :class:`perpkit.core.venue.Venue` is one.

    A read that the venue does not offer raises ``CapabilityError``.
    """

    async def fetch_order(self, order: OrderRef, /) -> Order:
        """Return one order, open or not; OrderNotFoundError otherwise."""
        ...

    async def fetch_open_orders(self, market: MarketId, /) -> list[Order]:
        """Return every open order of a market."""
        ...

    async def fetch_order_history(self, market: MarketId, /, *, since: datetime | None) -> list[Order]:
        """Return orders created since then."""
        ...

    async def fetch_fills(self, market: MarketId, /, *, since: datetime | None) -> list[Fill]:
        """Return fills since then."""
        ...


async def resolve_order(
    reads: OrderReads,
    order: OrderRef,
    *,
    within: timedelta,
    clock: Clock,
    intent: OrderIntent | None = None,
    sent_at: datetime | None = None,
    never_accepted_after: timedelta | None = None,
    margin: timedelta = MARGIN,
    known: Callable[[], Order | None] | None = None,
) -> Order:
    """
    Find out what became of an order command. Only reads.

    Looks, again and again until the bound ends, for the order itself, among the open orders, in the history and in the
    fills. That it is in none of them counts for nothing until the venue can no longer accept it.

    Args:
        within: The bound.
        intent: What was sent; without it absence can't be put into an Order, nor fills alone.
        sent_at: When sending began, by our clock; without it absence never counts.
        never_accepted_after: How long after sending the venue may still accept; None when absence never counts.
        margin: Added to that window, for clocks that differ and history that lags.
        known: What streams have told of the order so far.

    Returns:
        The order as the venue has it; or ``rejected`` with reason ``never_received``, once the window has passed and it
        is absent everywhere.

    Raises:
        OutcomeUnknownError: Nothing is proved within the bound, or the reads are refused. Nothing was sent.
    """
    search = _Search(
        reads,
        order,
        intent=intent,
        since=sent_at - margin if sent_at is not None else None,
        clock=clock,
        deadline=clock.monotonic() + within.total_seconds(),
        known=known,
    )
    decided_at = None
    if sent_at is not None and never_accepted_after is not None:
        decided_at = sent_at + never_accepted_after + margin
    pause = _FIRST_PAUSE
    while True:
        too_late = decided_at is not None and clock.now() >= decided_at
        found = await search.look(too_late=too_late)
        if found is not None:
            return found
        wait = max(pause, search.asked_to_wait)
        if decided_at is not None and not too_late:
            wait = min(wait, max((decided_at - clock.now()).total_seconds(), _FIRST_PAUSE))
        if (left := search.deadline - clock.monotonic()) > 0:
            await clock.sleep(min(wait, left))
        if clock.monotonic() >= search.deadline:
            raise search.gave_up(within)
        pause = min(pause * 2, _LONGEST_PAUSE)


class _Search:
    """One resolution under way: where it looks, until when, and what it has met."""

    def __init__(
        self,
        reads: OrderReads,
        order: OrderRef,
        *,
        intent: OrderIntent | None,
        since: datetime | None,
        clock: Clock,
        deadline: float,
        known: Callable[[], Order | None] | None,
    ) -> None:
        self._reads = reads
        self._order = order
        self._intent = intent
        self._clock = clock
        self._known = known
        self._failure: Exception | None = None
        self._seen_filled = False
        self.deadline = deadline
        self.since = since
        self.asked_to_wait = 0.0

    async def look(self, *, too_late: bool) -> Order | None:
        """Look everywhere once; None when nothing is proved."""
        self.asked_to_wait = 0.0
        told = self._known() if self._known is not None else None
        # That an API took it and nothing was heard since proves nothing once the venue can no longer accept it.
        is_stale = too_late and told is not None and told.status is OrderStatus.PENDING
        if told is not None and self._is_proof(told) and not is_stale:
            return self._enriched(told)
        # In this order: what closes between two reads then shows up in the later one.
        market, order, since = self._order.market_id, self._order, self.since
        by_id, id_read = await self._read(lambda: self._reads.fetch_order(order))
        if by_id is not None and self._is_proof(by_id):
            return self._enriched(by_id)
        standing, open_read = await self._read(lambda: self._reads.fetch_open_orders(market))
        if (found := self._pick(standing or ())) is not None:
            return self._enriched(found)
        past, past_read = await self._read(lambda: self._reads.fetch_order_history(market, since=since))
        if (found := self._pick(past or ())) is not None:
            return self._enriched(found)
        fills, fills_read = await self._read(lambda: self._reads.fetch_fills(market, since=since))
        by_fills = self._from_fills(fills or ())
        if by_fills is not None and by_fills.status is OrderStatus.FILLED:
            return by_fills
        every_answer = None not in {id_read, open_read, past_read, fills_read}
        if not too_late or not every_answer or self._intent is None:
            return None
        if by_fills is not None:
            why = "it does not stand any more and its fills stop short of its size"
            return by_fills.replace(status=OrderStatus.CANCELED, status_message=why) if open_read else None
        covered = id_read or (open_read and past_read)
        return self._never_received() if covered and not self._seen_filled else None

    async def _read(self, start: Callable[[], Awaitable[T]]) -> tuple[T | None, bool | None]:
        """
        Return what one read gave, and whether it answered: True, False where the venue doesn't offer it, None when it
        failed and may be tried again.
        """
        try:
            return await self._until_deadline(start), True
        except OrderNotFoundError:
            return None, True
        except CapabilityError:
            return None, False
        except (AuthError, ConfigError) as error:
            raise self._unknown(
                f"the venue can't be asked ({error.message}); correct that and resolve it again"
            ) from error
        except (PerpkitError, TimeoutError) as error:
            self._failure = error
            if isinstance(error, RateLimitError) and error.retry_after is not None:
                self.asked_to_wait = max(self.asked_to_wait, error.retry_after.total_seconds())
            return None, None

    async def _until_deadline(self, start: Callable[[], Awaitable[T]]) -> T:
        """Await a read, but not past the bound, by this search's own clock."""
        reading = asyncio.ensure_future(start())
        bound = asyncio.ensure_future(self._clock.sleep(max(self.deadline - self._clock.monotonic(), 0)))
        try:
            await asyncio.wait({reading, bound}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return await reading
            raise TimeoutError("a read was still under way when the bound ended")
        finally:
            for task in (reading, bound):
                task.cancel()
            await asyncio.gather(reading, bound, return_exceptions=True)

    def _is_proof(self, order: Order) -> bool:
        return order.status is not OrderStatus.UNKNOWN

    def _is_it(self, item: Order | Fill) -> bool:
        wanted = self._order
        if item.market_id != wanted.market_id:
            return False
        if wanted.venue_order_id is not None and item.venue_order_id is not None:
            return item.venue_order_id == wanted.venue_order_id
        return wanted.client_order_id is not None and item.client_order_id == wanted.client_order_id

    def _pick(self, orders: Iterable[Order]) -> Order | None:
        """Return the wanted order, put together from all its tellings in a listing."""
        found: Order | None = None
        for order in orders:
            if self._is_it(order) and self._is_proof(order):
                found = merge(found, order) or found
        return found

    def _from_fills(self, fills: Iterable[Fill]) -> Order | None:
        """Return the order as its fills alone show it; None without any, or without the intent."""
        ours = [fill for fill in fills if self._is_it(fill)]
        if not ours:
            return None
        self._seen_filled = True
        blank = self._blank()
        if blank is None:
            return None
        tracker = OrderTracker()
        tracker.observe(blank)
        for fill in ours:
            # A listing may name the order by one of its ids only; they are this order's by _is_it.
            tracker.observe_fill(
                fill.replace(client_order_id=blank.client_order_id, venue_order_id=blank.venue_order_id)
            )
        venue_order_id = blank.venue_order_id or next((f.venue_order_id for f in ours if f.venue_order_id), None)
        shown = tracker.get(blank.ref)
        return shown.replace(venue_order_id=venue_order_id) if shown is not None else None

    def _blank(self) -> Order | None:
        """Return the order as it was sent, with nothing known of it."""
        intent = self._intent
        if intent is None:
            return None
        return intent.as_order(
            OrderStatus.UNKNOWN,
            ts_received=self._clock.now(),
            venue_order_id=self._order.venue_order_id,
            client_order_id=self._order.client_order_id or intent.client_order_id,
        )

    def _enriched(self, found: Order) -> Order:
        """Return the order found, with the names that we knew it by."""
        missing = {
            name: value
            for name in ("client_order_id", "venue_order_id")
            if getattr(found, name) is None and (value := getattr(self._order, name)) is not None
        }
        return found.replace(**missing) if missing else found

    def _never_received(self) -> Order | None:
        blank = self._blank()
        if blank is None:
            return None
        return blank.replace(
            status=OrderStatus.REJECTED,
            reject_reason=RejectReason.NEVER_RECEIVED,
            status_message="the venue can no longer accept it and knows nothing of it",
        )

    def gave_up(self, within: timedelta) -> OutcomeUnknownError:
        """Return the error for a bound that has ended, from the last failure met."""
        parts = [f"still unknown after {within.total_seconds():g} s"]
        if self._seen_filled:
            parts.append("it has fills, so it was accepted")
        if self._failure is not None:
            parts.append(f"the last failed read said {type(self._failure).__name__}: {self._failure}")
        parts.append("nothing was sent; resolve it again later or look at the venue")
        error = self._unknown("; ".join(parts))
        error.__cause__ = self._failure
        return error

    def _unknown(self, message: str) -> OutcomeUnknownError:
        venue = self._order.market_id.partition("@")[2] or None
        return OutcomeUnknownError(
            message, venue=venue, operation="resolve_order", client_order_id=self._order.client_order_id
        )
