"""The face resolves names, keeps what may not be sent from being sent, and says what every error is about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    CapabilityError,
    ConfigError,
    ConnectionLostError,
    DecodeError,
    InvalidOrderError,
    OutcomeUnknownError,
    PluginError,
    UnknownMarketError,
)
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    Candle,
    MarketStatus,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    Position,
    Side,
    TimeInForce,
)
from perpkit.core.venue import Venue
from tests.core.clocks import ManualClock
from tests.core.toys import NOW, ToyVenue, toy_market


class _Opened:
    """A venue on the toy plugin, with the plugin at hand."""

    def __init__(self, venue: Venue, plugin: ToyVenue, clock: ManualClock) -> None:
        self.venue, self.plugin, self.clock = venue, plugin, clock


@pytest.fixture
async def toy() -> AsyncIterator[_Opened]:
    made: list[ToyVenue] = []

    def factory(context):
        made.append(ToyVenue(context))
        return made[0]

    clock = ManualClock()
    async with perpkit.open_venue("toy", plugin=factory, clock=clock) as venue:
        yield _Opened(venue, made[0], clock)


def _intent(**changes: object) -> OrderIntent:
    fields = {"market_id": "BTC-USD-PERP", "side": Side.BUY, "size": "0.5", "price": "100.5", **changes}
    return OrderIntent(**fields)


async def test_an_order_gets_its_client_id_before_it_is_sent(toy: _Opened) -> None:
    """An unknown outcome can only be resolved by an id that was chosen first."""
    first = await toy.venue.place_order(_intent())
    second = await toy.venue.place_order(_intent())
    assert first.client_order_id
    assert first.client_order_id != second.client_order_id
    assert first.market_id == "BTC-USD-PERP@toy"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"price": "100.3"}, ["price 100.3", "100", "100.5"]),
        ({"size": "0.0015"}, ["size 0.0015", "0.001"]),
        ({"size": "0.001"}, ["0.001", "0.002"]),
        ({"size": "0.002", "price": "100"}, ["10"]),
        ({"size": "100.001"}, ["100.001", "100"]),
    ],
    ids=["off tick", "off step", "below minimum", "below minimum notional", "above maximum"],
)
async def test_an_order_that_breaks_a_rule_is_not_sent(toy: _Opened, changes: dict[str, str], words: list[str]) -> None:
    """The error names the value and the nearest good one, and the plugin never sees the order."""
    with pytest.raises(InvalidOrderError) as caught:
        await toy.venue.place_order(_intent(**changes))
    for word in words:
        assert word in str(caught.value)
    assert not toy.plugin.orders
    assert caught.value.venue == "toy"


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity", "lots", 1.5, None])
def test_a_size_that_is_no_positive_decimal_never_becomes_an_intent(bad: object) -> None:
    """Zero, negative, NaN and floats are refused where they are written, naming the field."""
    with pytest.raises(InvalidOrderError, match="size"):
        _intent(size=bad)


async def test_an_order_the_venue_has_no_words_for_raises_before_anything_is_sent(toy: _Opened) -> None:
    """Type, time in force, options: each is checked against what the plugin declares."""
    for changes in (
        {"type": OrderType.STOP_LIMIT, "trigger_price": "99"},
        {"time_in_force": TimeInForce.FOK},
        {"reduce_only": True},
        {"options": {"iceberg": True}},
    ):
        with pytest.raises(CapabilityError) as caught:
            await toy.venue.place_order(_intent(**changes))
        assert caught.value.client_order_id
    assert not toy.plugin.orders


async def test_a_halted_market_takes_no_order(toy: _Opened) -> None:
    """Known status is respected without asking the venue."""
    toy.plugin.listing = [toy_market("BTC", status=MarketStatus.HALTED)]
    await toy.venue.fetch_markets()
    with pytest.raises(InvalidOrderError, match="halted"):
        await toy.venue.place_order(_intent())


async def test_a_bounded_market_order_becomes_an_ioc_limit_at_its_worst_price(toy: _Opened) -> None:
    """Asks stand at 101: one percent beyond is 102.01, and the last tick not beyond it is 102."""
    order = await toy.venue.place_order(_intent(type=OrderType.MARKET, price=None, max_slippage="0.01"))
    assert (order.type, order.time_in_force, order.price) == (OrderType.LIMIT, TimeInForce.IOC, Decimal(102))
    sold = await toy.venue.place_order(_intent(type=OrderType.MARKET, price=None, max_slippage="0.01", side=Side.SELL))
    assert sold.price == Decimal(99)


async def test_a_hook_that_is_not_implemented_raises_a_capability_error(toy: _Opened) -> None:
    """Nothing answers in its place, and no market is loaded for it."""
    with pytest.raises(CapabilityError) as caught:
        await toy.venue.fetch_balances()
    assert (caught.value.venue, caught.value.operation) == ("toy", "fetch_balances")


async def test_capabilities_say_what_was_registered(toy: _Opened) -> None:
    """The hooks come from the registration, whatever the plugin writes."""
    assert "place_order" in toy.venue.capabilities.hooks
    assert "fetch_balances" not in toy.venue.capabilities.hooks


async def test_an_error_from_the_plugin_learns_where_it_happened(toy: _Opened) -> None:
    """Venue, operation and order are attributes of every error."""
    toy.plugin.failure = OutcomeUnknownError("no answer")
    with pytest.raises(OutcomeUnknownError) as caught:
        await toy.venue.place_order(_intent(client_order_id="mine-1"))
    error = caught.value
    assert (error.venue, error.operation, error.client_order_id) == ("toy", "place_order", "mine-1")


class _Unreadable(ToyVenue):
    """Its positions can't be made of what its venue says."""

    def __init__(self, context: VenueContext, reading: Callable[[], object]) -> None:
        super().__init__(context)
        self._reading = reading

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        self._reading()
        return []


def _below_zero() -> Candle:
    hour = timedelta(hours=1)
    return Candle(market_id="BTC-USD-PERP@toy", opened_at=NOW, interval=hour, open=-1, high=1, low=1, close=1)


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (lambda: Decimal("1e999999") * 10, "Overflow in computing with it"),
        (lambda: 1 / Decimal(0), "DivisionByZero in computing with it"),
        (_below_zero, "Candle open: "),
    ],
)
async def test_an_answer_that_no_model_takes_can_not_be_read(reading, words) -> None:
    """Whatever a plugin's decoding lets through: the error is typed, and says where and what."""
    async with perpkit.open_venue("toy", plugin=lambda context: _Unreadable(context, reading)) as venue:
        with pytest.raises(DecodeError) as caught:
            await venue.fetch_positions()
    assert words in str(caught.value)
    assert (caught.value.venue, caught.value.operation) == ("toy", "fetch_positions")


async def test_an_unknown_outcome_is_resolved_from_the_error_alone(toy: _Opened) -> None:
    """The order was taken; its reply was lost."""
    sent = await toy.venue.place_order(_intent(client_order_id="mine-1"))
    found = await toy.venue.resolve_order(OutcomeUnknownError("lost", client_order_id="mine-1"))
    assert (found.venue_order_id, found.status) == (sent.venue_order_id, OrderStatus.OPEN)


async def test_resolving_an_order_of_another_process_needs_its_market(toy: _Opened) -> None:
    """Without a market there is nowhere to look."""
    with pytest.raises(ConfigError, match="name its market"):
        await toy.venue.resolve_order("from-elsewhere")


async def test_a_stale_answer_does_not_take_a_filled_order_back(toy: _Opened) -> None:
    """REST may be behind: what is known to be filled stays filled."""
    order = await toy.venue.place_order(_intent())
    filled = order.replace(status=OrderStatus.FILLED, filled_size=order.size)
    toy.plugin.orders[order.venue_order_id] = filled
    await toy.venue.fetch_order(order)
    toy.plugin.orders[order.venue_order_id] = order
    assert (await toy.venue.fetch_order(order)).status is OrderStatus.FILLED


async def test_a_batch_larger_than_the_venue_takes_is_refused_whole(toy: _Opened) -> None:
    """One bad order, or one too many, and none is sent."""
    with pytest.raises(InvalidOrderError, match="3 orders in one batch; toy takes 1 to 2"):
        await toy.venue.place_orders([_intent()] * 3)
    with pytest.raises(InvalidOrderError):
        await toy.venue.place_orders([_intent(), _intent(price="100.3")])
    assert not toy.plugin.orders


async def test_a_batch_that_answers_for_too_few_orders_is_a_defect_that_is_said(toy: _Opened) -> None:
    """A dropped result must not shift the others onto the wrong orders."""

    class Drops(ToyVenue):
        pass

    venue = toy.venue
    results = await venue.place_orders([_intent(), _intent()])
    assert len(results) == 2
    original = toy.plugin.place_order

    async def once_then_none(intents):
        return [await original(intents[0])]

    venue._hook.place_orders.get_hookimpls()[0].function = once_then_none
    with pytest.raises(PluginError, match="1 results for 2 orders"):
        await venue.place_orders([_intent(), _intent()])


async def test_a_naive_time_is_refused(toy: _Opened) -> None:
    """A naive datetime means another instant on another machine."""
    with pytest.raises(ConfigError, match="no time zone"):
        await toy.venue.fetch_trades("BTC-USD-PERP", since=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ConfigError, match="after until"):
        await toy.venue.fetch_trades(
            "BTC-USD-PERP", since=datetime(2026, 1, 2, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC)
        )


async def test_an_amendment_is_checked_like_an_order(toy: _Opened) -> None:
    """Off tick, a float, nothing at all: refused before sending."""
    order = await toy.venue.place_order(_intent())
    with pytest.raises(InvalidOrderError, match=r"price 100\.3"):
        await toy.venue.amend_order(order, price="100.3")
    with pytest.raises(InvalidOrderError, match="float"):
        await toy.venue.amend_order(order, price=100.5)
    with pytest.raises(InvalidOrderError, match="changes"):
        await toy.venue.amend_order(order)
    assert (await toy.venue.amend_order(order, price="101")).price == Decimal(101)


async def test_an_unknown_market_is_refused_before_sending(toy: _Opened) -> None:
    """And the error says what was probably meant."""
    with pytest.raises(UnknownMarketError, match="BTC-USD-PERP"):
        await toy.venue.place_order(_intent(market_id="BTC-USDT-PERP"))


async def test_a_venue_is_used_only_while_it_is_open() -> None:
    """Before and after, the error says how."""
    venue = perpkit.open_venue("toy", plugin=ToyVenue)
    with pytest.raises(ConfigError, match="async with"):
        await venue.fetch_open_orders()
    async with venue:
        assert await venue.fetch_open_orders() == []
    with pytest.raises(ConfigError, match="not open"):
        await venue.fetch_open_orders()
    with pytest.raises(ConfigError, match="opened once"):
        await venue.__aenter__()


async def test_a_failed_start_is_stopped() -> None:
    """What start had opened is closed again."""
    made: list[ToyVenue] = []

    class Broken(ToyVenue):
        def __init__(self, context):
            super().__init__(context)
            made.append(self)

        @perpkit.hookimpl
        async def start(self) -> None:
            raise ConnectionLostError("gone")

    with pytest.raises(ConnectionLostError):
        async with perpkit.open_venue("toy", plugin=Broken):
            pytest.fail("entered")
    assert made[0].stopped


async def test_a_reference_is_enough_to_cancel(toy: _Opened) -> None:
    """An order that this process has never seen is canceled by its id."""
    result = await toy.venue.cancel_order(OrderRef(market_id="BTC-USD-PERP@toy", client_order_id="elsewhere"))
    assert result.order.client_order_id == "elsewhere"


async def test_a_channel_is_named_with_its_market(toy: _Opened) -> None:
    """A wrong channel lists the right ones; market data without a market says how to write it."""
    with pytest.raises(ConfigError, match="no channel 'books'; there are book, trades"):
        async with toy.venue.stream("books:BTC-USD-PERP"):
            pytest.fail("entered")
    with pytest.raises(ConfigError, match="needs a market: book:BTC-USD-PERP"):
        async with toy.venue.stream("book"):
            pytest.fail("entered")


async def test_a_stream_of_the_whole_account_has_the_listing_first(toy: _Opened) -> None:
    """A frame of any market can come, and a source that decodes it can't wait for the listing."""
    assert not toy.venue.markets
    async with toy.venue.stream("positions"):
        assert toy.venue.markets


async def test_cancelling_while_placing_leaves_the_id_to_resolve_by(toy: _Opened) -> None:
    """A task cancelled in the middle of sending can still be asked what became of its order."""
    gate = asyncio.Event()
    original = toy.plugin.place_order

    async def slow(intent):
        await original(intent)
        await gate.wait()

    toy.venue._hook.place_order.get_hookimpls()[0].function = slow
    task = asyncio.create_task(toy.venue.place_order(_intent(client_order_id="cut-1")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await toy.venue.resolve_order("cut-1", within=timedelta(seconds=1))).client_order_id == "cut-1"
