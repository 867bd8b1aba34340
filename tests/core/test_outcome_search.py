"""Finding out what became of an order: what proves it, what proves nothing, and what ends the search."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    CapabilityError,
    DecodeError,
    OrderNotFoundError,
    OutcomeUnknownError,
    RateLimitError,
    RejectReason,
    RequestTimeoutError,
    VenueUnavailableError,
)
from perpkit.core.models import Fill, Order, OrderRef, OrderStatus, OrderType, TimeInForce
from perpkit.core.outcome import resolve_order
from tests.core.builders import BTC, a_fill, an_intent, an_order
from tests.core.clocks import ManualClock

D = Decimal


class Reads:
    """A venue as the search sees it: answers that a test sets, and a record of what was asked and when."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.begun = clock.monotonic()
        self.asked: list[tuple[str, float]] = []
        self.answers: dict[str, Callable[[], Any]] = {
            "order": self.absent,
            "open": list,
            "history": list,
            "fills": list,
        }
        self.since: Any = None

    @staticmethod
    def absent() -> Order:
        raise OrderNotFoundError("no such order")

    def fail(self, *names: str, error: Exception) -> None:
        def raising() -> Any:
            raise error

        for name in names:
            self.answers[name] = raising

    async def _answer(self, name: str) -> Any:
        self.asked.append((name, self.clock.monotonic() - self.begun))
        answer = self.answers[name]()
        return await answer if isinstance(answer, Awaitable) else answer

    async def fetch_order(self, order: OrderRef, /) -> Order:
        return await self._answer("order")

    async def fetch_open_orders(self, market: str, /) -> list[Order]:
        assert market == BTC
        return await self._answer("open")

    async def fetch_order_history(self, market: str, /, *, since: Any) -> list[Order]:
        self.since = since
        return await self._answer("history")

    async def fetch_fills(self, market: str, /, *, since: Any) -> list[Fill]:
        return await self._answer("fills")


class Search:
    """A resolution under way, with the clock in the test's hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.reads = Reads(self.clock)
        self.intent = an_intent(client_order_id="c1", size=D(1), time_in_force=TimeInForce.IOC)
        self.settings: dict[str, Any] = {
            "within": timedelta(seconds=60),
            "intent": self.intent,
            "sent_at": self.clock.now(),
            "never_accepted_after": timedelta(seconds=20),
            "margin": timedelta(seconds=10),
        }

    def start(self, ref: OrderRef | None = None) -> asyncio.Task[Order]:
        ref = ref or OrderRef(market_id=BTC, client_order_id="c1")
        return asyncio.create_task(resolve_order(self.reads, ref, clock=self.clock, **self.settings))

    async def run(self, *, step: float = 0.25, at: dict[float, Callable[[], None]] | None = None) -> Order:
        """Run to the end, moving the clock whenever all that is left is waiting."""
        task = self.start()
        events = sorted((at or {}).items())
        for _ in range(5000):
            for _ in range(60):
                await asyncio.sleep(0)
            if task.done():
                return await task
            self.clock.advance(step)
            while events and self.elapsed >= events[0][0]:
                events.pop(0)[1]()
        task.cancel()
        pytest.fail("the search never ended")

    @property
    def elapsed(self) -> float:
        return self.clock.monotonic() - self.reads.begun


@pytest.fixture
def search() -> Search:
    return Search()


async def test_an_order_found_by_its_id_is_the_answer(search: Search):
    """One read is enough, and the order comes back as the venue has it."""
    search.reads.answers["order"] = lambda: an_order(status=OrderStatus.CANCELED, filled_size=D("0.4"))
    found = await search.run()
    assert (found.status, found.filled_size) == (OrderStatus.CANCELED, D("0.4"))
    assert [name for name, _ in search.reads.asked] == ["order"]


@pytest.mark.parametrize("where", ["open", "history"])
async def test_an_order_found_in_a_listing_is_the_answer(search: Search, where: str):
    """Paradex finds by client id only what is open, so listings count as much."""
    others = [an_order(client_order_id="c2", venue_order_id="v2"), an_order(client_order_id=None, venue_order_id="v3")]
    search.reads.answers[where] = lambda: [*others, an_order(status=OrderStatus.FILLED, filled_size=D(1))]
    found = await search.run()
    assert (found.client_order_id, found.venue_order_id, found.status) == ("c1", "v1", OrderStatus.FILLED)


async def test_an_order_of_another_market_is_not_ours(search: Search):
    """The same client id elsewhere is another order."""
    search.reads.answers["history"] = lambda: [an_order(market_id="ETH-USD-PERP@paradex")]
    found = await search.run()
    assert found.reject_reason is RejectReason.NEVER_RECEIVED


async def test_absence_before_the_window_ends_is_no_evidence(search: Search):
    """The order turns up late, 15 s after sending, and that is what holds."""
    late = {15.0: lambda: search.reads.answers.update(order=an_order)}
    found = await search.run(at=late)
    assert found.status is OrderStatus.OPEN
    assert 15 <= search.elapsed < 21


async def test_absence_after_the_window_is_a_rejection(search: Search):
    """20 s of acceptance and 10 s of margin after sending it is nowhere: it never was, and it may be sent anew."""
    found = await search.run()
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED)
    assert (found.client_order_id, found.size, found.price, found.filled_size) == ("c1", D(1), D(63000), D(0))
    assert 30 <= search.elapsed <= 31
    last_round = [name for name, when in search.reads.asked if when >= 30]
    assert last_round == ["order", "open", "history", "fills"]


async def test_an_order_that_was_taken_and_then_dropped_without_a_word_is_a_rejection_after_the_window(search: Search):
    """``pending`` is what the acknowledgement said; past the window the reads decide, and they know nothing of it."""
    search.settings["known"] = lambda: an_order(venue_order_id=None, status=OrderStatus.PENDING)
    assert (await search.run()).status is OrderStatus.PENDING
    assert search.reads.asked == []
    search.clock.advance(31)
    found = await search.run()
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED)


async def test_the_history_is_asked_from_before_the_sending(search: Search):
    """Our clock and the venue's differ; the margin covers it."""
    await search.run()
    assert search.reads.since == search.settings["sent_at"] - timedelta(seconds=10)


@pytest.mark.parametrize("missing", ["never_accepted_after", "sent_at"])
async def test_absence_is_never_evidence_where_the_window_is_not_known(search: Search, missing: str):
    """The bound ends it, with the outcome still unknown."""
    search.settings[missing] = None
    with pytest.raises(OutcomeUnknownError, match="still unknown after 60 s") as caught:
        await search.run()
    assert (caught.value.venue, caught.value.operation, caught.value.client_order_id) == (
        "paradex",
        "resolve_order",
        "c1",
    )
    assert search.elapsed == pytest.approx(60, abs=0.5)


async def test_a_bound_inside_the_window_ends_unknown(search: Search):
    """5 s are over before the venue's window is."""
    search.settings["within"] = timedelta(seconds=5)
    with pytest.raises(OutcomeUnknownError):
        await search.run()
    assert search.elapsed == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("failing", ["order", "open", "history", "fills"])
async def test_one_failing_read_keeps_absence_from_counting(search: Search, failing: str):
    """Absent everywhere means that everywhere answered; the last failure is the cause."""
    error = RequestTimeoutError("no answer")
    search.reads.fail(failing, error=error)
    with pytest.raises(OutcomeUnknownError, match="no answer") as caught:
        await search.run()
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [RequestTimeoutError("slow"), BadGatewayError("502"), DecodeError("html"), VenueUnavailableError("maintenance")],
    ids=lambda error: type(error).__name__,
)
async def test_transient_failures_are_retried_within_the_bound(search: Search, error: Exception):
    """The venue is back after 3 s and has the order."""
    search.reads.fail("order", "open", "history", "fills", error=error)
    back = {3.0: lambda: search.reads.answers.update(history=lambda: [an_order()])}
    assert (await search.run(at=back)).status is OrderStatus.OPEN


async def test_a_venue_that_asks_to_wait_is_left_alone_so_long(search: Search):
    """After 429 with 7 s nothing is asked for 7 s."""
    search.reads.fail("order", error=RateLimitError("429", retry_after=timedelta(seconds=7)))
    back = {20.0: lambda: search.reads.answers.update(order=an_order)}
    assert (await search.run(at=back)).status is OrderStatus.OPEN
    rounds = [when for name, when in search.reads.asked if name == "order"]
    assert all(later - earlier >= 7 for earlier, later in itertools.pairwise(rounds))


async def test_refused_credentials_end_the_search_at_once(search: Search):
    """Asking again with the same key is no use; the error says so and the outcome stays unknown."""
    search.reads.fail("order", error=AuthError("token revoked"))
    with pytest.raises(OutcomeUnknownError, match="token revoked"):
        await search.run()
    assert search.elapsed == 0


async def test_reads_that_the_venue_lacks_are_done_without(search: Search):
    """Open orders and history together cover what fetching by id would."""
    search.reads.fail("order", "fills", error=CapabilityError("not served"))
    assert (await search.run()).reject_reason is RejectReason.NEVER_RECEIVED


async def test_absence_from_the_open_orders_alone_proves_nothing(search: Search):
    """An order that was filled at once is not open either."""
    search.reads.fail("order", "history", error=CapabilityError("not served"))
    with pytest.raises(OutcomeUnknownError):
        await search.run()


async def test_fills_that_add_up_prove_a_filled_order(search: Search):
    """0.4 at 62000 and 0.6 at 63000 average 62600."""
    search.reads.answers["fills"] = lambda: [
        a_fill("f1", "0.4", "62000"),
        a_fill("f2", "0.6", "63000", client_order_id="c1", venue_order_id="v1"),
        a_fill("other", "5", "63000", client_order_id="c2", venue_order_id="v2"),
    ]
    found = await search.run()
    assert (found.status, found.filled_size, found.average_price) == (OrderStatus.FILLED, D(1), D(62600))
    assert (found.client_order_id, found.venue_order_id) == ("c1", "v1")
    assert search.elapsed == 0


async def test_fills_that_stop_short_mean_a_cancel_once_it_can_no_longer_stand(search: Search):
    """After the window it is not open, so what is not filled will not be."""
    search.reads.answers["fills"] = lambda: [a_fill("f1", "0.4")]
    found = await search.run()
    assert (found.status, found.filled_size) == (OrderStatus.CANCELED, D("0.4"))
    assert search.elapsed >= 30


async def test_fills_never_become_a_rejection(search: Search):
    """Without the intent they can't be put into an order, but they prove that it was accepted."""
    search.settings["intent"] = None
    search.reads.answers["fills"] = lambda: [a_fill("f1", "0.4")]
    with pytest.raises(OutcomeUnknownError, match="it has fills, so it was accepted"):
        await search.run()


async def test_fills_seen_once_keep_absence_from_counting(search: Search):
    """The venue showed a fill and then nothing at all: whatever that is, the order was received."""
    search.reads.answers["fills"] = lambda: [a_fill("f1", "0.4")]
    with pytest.raises(OutcomeUnknownError, match="it has fills"):
        await search.run(at={3.0: lambda: search.reads.answers.update(fills=list)})


async def test_fills_that_stop_short_prove_no_cancel_where_open_orders_are_not_served(search: Search):
    """The rest may still stand."""
    search.reads.answers["fills"] = lambda: [a_fill("f1", "0.4")]
    search.reads.fail("open", error=CapabilityError("not served"))
    with pytest.raises(OutcomeUnknownError, match="it has fills"):
        await search.run()


async def test_what_the_stream_tells_meanwhile_is_the_answer(search: Search):
    """No further read is needed; our own record that says 'unknown' is no answer."""
    told: list[Order] = [an_order(status=OrderStatus.UNKNOWN)]
    search.settings["known"] = lambda: told[-1]
    found = await search.run(at={4.0: lambda: told.append(an_order(status=OrderStatus.REJECTED))})
    assert found.status is OrderStatus.REJECTED
    assert search.elapsed < 10


async def test_an_unknown_status_from_the_venue_is_no_answer(search: Search):
    """The search goes on until the status is a real one."""
    search.reads.answers["order"] = lambda: an_order(status=OrderStatus.UNKNOWN)
    decided = {6.0: lambda: search.reads.answers.update(order=an_order)}
    assert (await search.run(at=decided)).status is OrderStatus.OPEN


async def test_a_read_that_hangs_does_not_outlive_the_bound(search: Search):
    """The bound ends it, and nothing is left running."""
    search.reads.answers["open"] = lambda: asyncio.Event().wait()
    with pytest.raises(OutcomeUnknownError):
        await search.run()
    assert search.elapsed == pytest.approx(60, abs=0.5)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancellation_ends_the_search_and_leaves_nothing_running(search: Search):
    """At a read and at a pause."""
    hanging = asyncio.Event()
    for answer in (hanging.wait, list):
        search.reads.answers["open"] = answer
        task = search.start()
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_pauses_grow_and_stay_bounded(search: Search):
    """Quick at first, for what is merely late; then no more often than every 5 s, for the venue's sake."""
    search.settings["sent_at"] = None
    with pytest.raises(OutcomeUnknownError):
        await search.run()
    rounds = [when for name, when in search.reads.asked if name == "order"]
    pauses = [later - earlier for earlier, later in itertools.pairwise(rounds)]
    assert pauses[0] <= 0.5
    assert pauses[-2] == pytest.approx(5, abs=0.5)
    assert pauses[:-1] == sorted(pauses[:-1])


async def test_the_ids_that_we_knew_are_kept(search: Search):
    """A venue that tells of the order by its own id alone."""
    search.reads.answers["order"] = lambda: an_order(client_order_id=None, type=OrderType.LIMIT)
    assert (await search.run()).client_order_id == "c1"
