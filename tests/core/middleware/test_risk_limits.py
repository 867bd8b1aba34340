"""Risk limits: what would break one is refused before anything is sent, and what can't be checked is refused too."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import (
    ConfigError,
    ConnectError,
    OrderRejectedError,
    OutcomeUnknownError,
    RiskLimitError,
)
from perpkit.core.middleware import RiskLimits
from perpkit.core.models import CancelStatus, OrderStatus, OrderType, Side, Ticker
from perpkit.core.streams.protocol import Data
from tests.core.clocks import ManualClock
from tests.core.middleware.rig import BTC, Rig, buy, sell

PEPE = "kPEPE-USD-PERP@toy"


def rig_with(**limits) -> tuple[Rig, RiskLimits]:
    clock = ManualClock()
    limiter = RiskLimits(clock=clock, **limits)
    return Rig(limiter, clock=clock), limiter


async def refused(rig: Rig, intent, match: str) -> RiskLimitError:
    """Assert that an order is refused, and that nothing reached the venue."""
    before = list(rig.reached)
    with pytest.raises(RiskLimitError, match=match) as caught:
        await rig.venue.place_order(intent)
    assert rig.reached == before
    assert (caught.value.venue, caught.value.operation) == ("toy", "place_order")
    assert caught.value.client_order_id
    return caught.value


# Switches


async def test_without_limits_everything_passes():
    """No limit asks for anything."""
    rig, _ = rig_with()
    async with rig:
        assert (await rig.venue.place_order(buy())).status is OrderStatus.OPEN


async def test_only_allowed_markets_pass():
    """The message names the market."""
    rig, _ = rig_with(markets=[BTC])
    async with rig:
        await rig.venue.place_order(buy())
        await refused(rig, buy(market_id=PEPE), "kPEPE-USD-PERP@toy is not among the markets allowed")


async def test_reduce_only_mode_takes_only_reduce_only_orders():
    """It can be switched on and off while running; an amendment of an opening order is refused too."""
    rig, limits = rig_with()
    async with rig:
        order = await rig.venue.place_order(buy())
        limits.reduce_only = True
        await refused(rig, buy(), "only reduce-only orders pass")
        with pytest.raises(RiskLimitError, match="only reduce-only"):
            await rig.venue.amend_order(order, price=99)
        await rig.venue.place_order(sell(reduce_only=True))
        limits.reduce_only = False
        await rig.venue.place_order(buy())


async def test_the_kill_switch_stops_all_but_cancels():
    """Reducing orders and amendments too; its reason is told."""
    rig, limits = rig_with()
    async with rig:
        order = await rig.venue.place_order(buy())
        limits.kill("basis broke")
        assert limits.killed == "basis broke"
        await refused(rig, sell(reduce_only=True), r"kill switch is on \(basis broke\)")
        with pytest.raises(RiskLimitError, match="kill switch"):
            await rig.venue.amend_order(order, price=99)
        with pytest.raises(RiskLimitError, match="kill switch"):
            await rig.venue.place_orders([buy(), buy()])
        assert (await rig.venue.cancel_order(order)).status is CancelStatus.REQUESTED
        await rig.venue.cancel_all_orders()
        limits.revive()
        await rig.venue.place_order(buy())


# Notional


async def test_a_limit_buy_is_worth_its_price():
    """2 x 100 = 200 passes a limit of 200, 2.001 x 100 does not; no reference is needed."""
    rig, _ = rig_with(max_order_notional=200)
    async with rig:
        await rig.venue.place_order(buy("2"))
        await refused(rig, buy("2.001"), "is worth 200.1, over max_order_notional 200")


@pytest.mark.parametrize(
    "intent",
    [
        sell("3", "50"),
        buy("3", None),
        buy("3", None, type=OrderType.STOP_MARKET, trigger_price=Decimal(50)),
    ],
    ids=["a sell below the market", "a market order", "a stop"],
)
async def test_what_may_trade_at_the_market_is_worth_the_reference(intent):
    """3 x 100 = 300 is over 200, whatever lower price the order bears; without a reference it is refused as well."""
    rig, _ = rig_with(max_order_notional=200)
    async with rig:
        await refused(rig, intent, "no reference price of BTC-USD-PERP@toy is known; call fetch_ticker")
        await rig.venue.fetch_ticker("BTC-USD-PERP")
        await refused(rig, intent, "is worth 300, over max_order_notional 200")
        rig.plugin.mark = Decimal(60)
        await rig.venue.fetch_ticker("BTC-USD-PERP")
        await rig.venue.place_order(intent)


async def test_an_old_reference_is_none():
    """61 s after it was seen the price of a minute ago counts no more."""
    rig, _ = rig_with(max_order_notional=200)
    async with rig:
        await rig.venue.fetch_tickers()
        await rig.venue.place_order(sell())
        rig.clock.advance(61)
        await refused(rig, sell(), "61 s old, over max_price_age 60 s")
        await rig.venue.fetch_order_book("BTC-USD-PERP")
        await rig.venue.place_order(sell())


async def test_an_amendment_is_worth_what_it_would_be():
    """2 at 101 is 202."""
    rig, _ = rig_with(max_order_notional=200)
    async with rig:
        order = await rig.venue.place_order(buy("2"))
        with pytest.raises(RiskLimitError, match="is worth 202"):
            await rig.venue.amend_order(order, price=101)
        assert "amend_order" not in rig.reached
        assert (await rig.venue.amend_order(order, price=101, size=1)).price == 101


# Rate


async def test_orders_per_minute_slide():
    """Three in any 60 s; an order refused or a cancel takes no room."""
    rig, _ = rig_with(max_orders_per_minute=3, markets=[BTC])
    async with rig:
        order = await rig.venue.place_order(buy())
        rig.clock.advance(30)
        await rig.venue.place_order(buy())
        await refused(rig, buy(market_id=PEPE), "not among")
        await rig.venue.cancel_order(order)
        await rig.venue.amend_order(order, price=99)
        with pytest.raises(RiskLimitError, match=r"room comes in 30.0 s"):
            await rig.venue.place_order(buy())
        rig.clock.advance(30)
        await rig.venue.place_order(buy())


async def test_a_batch_passes_whole_or_not_at_all():
    """Three do not fit into two; two do."""
    rig, _ = rig_with(max_orders_per_minute=2)
    async with rig:
        with pytest.raises(RiskLimitError, match="3 more are over max_orders_per_minute 2"):
            await rig.venue.place_orders([buy(), buy(), buy()])
        assert "place_orders" not in rig.reached
        await rig.venue.place_orders([buy(), buy()])


# Open orders


async def test_open_orders_are_counted_with_those_that_were_there():
    """Two stand from before; one more makes three; the limit is three."""
    rig, _ = rig_with(max_open_orders=3)
    async with rig:
        await rig.venue.market("BTC-USD-PERP")
        for name in ("a", "b"):
            await super(type(rig.plugin), rig.plugin).place_order(buy(client_order_id=name))
        await refused(rig, buy(), r"open orders are not known; call fetch_open_orders\(\) for all markets")
        await rig.venue.fetch_open_orders("BTC-USD-PERP")
        await refused(rig, buy(), "not known")
        await rig.venue.fetch_open_orders()
        third = await rig.venue.place_order(buy())
        await refused(rig, buy(), "3 orders stand or may stand, and max_open_orders is 3")
        rig.plugin.tell(third.venue_order_id, status=OrderStatus.CANCELED)
        await rig.venue.fetch_order(third)
        await rig.venue.place_order(buy())


async def test_orders_under_way_count():
    """Five at once against a limit of two: two pass, none of the others is sent."""
    rig, _ = rig_with(max_open_orders=2)
    async with rig:
        await rig.venue.fetch_open_orders()
        release = rig.hold()
        tasks = [asyncio.create_task(rig.venue.place_order(buy())) for _ in range(5)]
        await rig.inside()
        release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["Order"] * 2 + ["RiskLimitError"] * 3
        assert rig.reached.count("place_order") == 2


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (OutcomeUnknownError("lost"), True),
        (OrderRejectedError("no margin"), False),
        (ConnectError("refused"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_an_order_counts_until_it_is_proved_not_to_be_there(error: Exception, counts: bool):
    """An unknown outcome takes its place in the limit; a refusal and what was never sent do not."""
    rig, limits = rig_with(max_open_orders=1)
    async with rig:
        await rig.venue.fetch_open_orders()
        rig.plugin.failure = error
        with pytest.raises(type(error)):
            await rig.venue.place_order(buy(client_order_id="mine"))
        rig.plugin.failure = None
        if counts:
            await refused(rig, buy(), "1 orders stand or may stand")
            assert limits.forget("mine")
            assert not limits.forget("mine")
        await rig.venue.place_order(buy())


async def test_an_order_canceled_while_being_sent_counts():
    """The task is gone, the order may stand."""
    rig, _ = rig_with(max_open_orders=1)
    async with rig:
        await rig.venue.fetch_open_orders()
        rig.hold()
        task = asyncio.create_task(rig.venue.place_order(buy()))
        await rig.inside()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rig.plugin.hold = None
        await refused(rig, buy(), "1 orders stand or may stand")


async def test_absence_frees_an_unknown_order_only_after_the_venues_window():
    """The toy venue may accept for 5 s; 10 s of margin later its absence from the open orders counts."""
    rig, _ = rig_with(max_open_orders=1)
    async with rig:
        await rig.venue.fetch_open_orders()
        rig.plugin.failure = OutcomeUnknownError("lost")
        with pytest.raises(OutcomeUnknownError):
            await rig.venue.place_order(buy())
        rig.plugin.failure = None
        rig.clock.advance(14.9)
        await rig.venue.fetch_open_orders()
        await refused(rig, buy(), "1 orders stand or may stand")
        rig.clock.advance(0.1)
        await rig.venue.fetch_open_orders()
        await rig.venue.place_order(buy())


async def test_an_order_gone_from_the_open_ones_frees_its_place():
    """Nobody told how it ended, but it does not stand."""
    rig, _ = rig_with(max_open_orders=1)
    async with rig:
        await rig.venue.fetch_open_orders()
        order = await rig.venue.place_order(buy())
        rig.plugin.tell(order.venue_order_id, status=OrderStatus.FILLED, filled_size=Decimal(1))
        await refused(rig, buy(), "1 orders")
        await rig.venue.fetch_open_orders("BTC-USD-PERP")
        await rig.venue.place_order(buy())


# Positions


async def test_the_position_limit_counts_what_every_open_order_would_make():
    """Long 2 with a buy of 2 open: 1 more makes 5, 1.001 is over; and selling is free down to short 5."""
    rig, _ = rig_with(max_position={BTC: 5})
    async with rig:
        rig.plugin.positions[BTC] = Decimal(2)
        await refused(rig, buy(), r"positions are not known; call fetch_positions\(\)")
        await rig.venue.fetch_positions()
        await rig.venue.place_order(buy("2"))
        await refused(rig, buy("1.001"), "long 5.001 BTC-USD-PERP@toy if every order fills, over max_position 5")
        await rig.venue.place_order(buy("1"))
        await refused(rig, buy("0.5"), "long 5.5")
        await refused(rig, sell("7.5"), "short 5.5")
        await rig.venue.place_order(sell("7"))


async def test_reducing_a_position_that_is_over_its_limit_passes():
    """Long 9 over a limit of 5: no more buying, but selling."""
    rig, _ = rig_with(max_position={BTC: 5})
    async with rig:
        rig.plugin.positions[BTC] = Decimal(9)
        await rig.venue.fetch_positions()
        await refused(rig, buy("0.5"), "over max_position 5")
        await rig.venue.place_order(sell("4"))


async def test_fills_told_move_the_position():
    """Bought 3 and told so: 2 more make 5. Sold 3 and told so: there is room for 3 again."""
    rig, _ = rig_with(max_position={BTC: 5})
    async with rig:
        await rig.venue.fetch_positions()
        bought = await rig.venue.place_order(buy("3"))
        rig.plugin.fill(bought.venue_order_id, "3")
        await rig.venue.fetch_order(bought)
        await refused(rig, buy("2.5"), "long 5.5")
        sold = await rig.venue.place_order(sell("3"))
        await refused(rig, buy("2.5"), "long 5.5")
        rig.plugin.fill(sold.venue_order_id, "3")
        await rig.venue.fetch_order(sold)
        await rig.venue.place_order(buy("5"))


async def test_a_fill_told_after_the_positions_were_fetched_is_not_taken_off_twice():
    """The sell of 3 was in the fetched position already; its news must not make room for buys."""
    rig, _ = rig_with(max_position={BTC: 5})
    async with rig:
        await rig.venue.fetch_positions()
        sold = await rig.venue.place_order(sell("3"))
        rig.plugin.fill(sold.venue_order_id, "3")
        await rig.venue.fetch_positions()
        await rig.venue.fetch_order(sold)
        await refused(rig, buy("8.5"), "long 5.5")
        await rig.venue.place_order(buy("8"))


async def test_an_unknown_order_counts_toward_the_position():
    """It may have filled."""
    rig, _ = rig_with(max_position={BTC: 5})
    async with rig:
        await rig.venue.fetch_positions()
        rig.plugin.failure = OutcomeUnknownError("lost")
        with pytest.raises(OutcomeUnknownError):
            await rig.venue.place_order(buy("4"))
        rig.plugin.failure = None
        await refused(rig, buy("1.5"), "long 5.5")


async def test_a_larger_amendment_is_held_to_the_position_limit():
    """From 2 to 6 is over 5; from 2 to 5 is not, and counts even when its outcome is unknown."""
    rig, _ = rig_with(max_position={BTC: 5})
    async with rig:
        await rig.venue.fetch_positions()
        order = await rig.venue.place_order(buy("2"))
        with pytest.raises(RiskLimitError, match="long 6"):
            await rig.venue.amend_order(order, size=6)
        rig.plugin.failure = OrderRejectedError("no")
        with pytest.raises(OrderRejectedError):
            await rig.venue.amend_order(order, size=5)
        rig.plugin.failure = OutcomeUnknownError("lost")
        with pytest.raises(OutcomeUnknownError):
            await rig.venue.amend_order(order, size=4)
        rig.plugin.failure = None
        await refused(rig, buy("1.5"), "long 5.5")
        await rig.venue.place_order(buy("1"))


async def test_the_position_notional_is_measured_at_the_reference():
    """5 x 100 = 500 is the limit for any market; it fails closed without a price."""
    rig, _ = rig_with(max_position_notional=500)
    async with rig:
        await rig.venue.fetch_positions()
        await refused(rig, buy("5"), "no reference price")
        await rig.venue.fetch_ticker("BTC-USD-PERP")
        await refused(rig, buy("5.001"), "is worth 500.1, over max_position_notional 500")
        await rig.venue.place_order(buy("5"))


async def test_reduce_only_orders_are_not_held_to_the_position_limit():
    """They can't open anything, and must pass when everything else is at its end."""
    rig, _ = rig_with(max_position={BTC: 5})
    async with rig:
        rig.plugin.positions[BTC] = Decimal(-9)
        await rig.venue.place_order(buy("9", reduce_only=True))
        await rig.venue.fetch_positions()
        await refused(rig, buy("5.5"), "long 5.5")
        await rig.venue.place_order(buy("5"))


async def test_streams_are_listened_to():
    """A price and an order told by a stream count as those fetched."""

    class Source:
        traits = "as before"

        def decode(self, frame, received):
            return frame

    rig, limits = rig_with(max_order_notional=200, max_open_orders=1)
    async with rig:
        await rig.venue.fetch_open_orders()
        wrapper = limits.open_stream(channels=[])
        next(wrapper)
        with pytest.raises(StopIteration) as stopped:
            wrapper.send(Source())
        source = stopped.value.value
        assert source.traits == "as before"
        order = await rig.venue.place_order(buy())
        await refused(rig, buy(), "1 orders")
        now = rig.clock.now()
        events = [
            Ticker(market_id=BTC, mark_price=Decimal(50), ts_received=now),
            order.replace(status=OrderStatus.CANCELED),
        ]
        incoming = [Data("orders", events)]
        assert source.decode(incoming, now) is incoming
        await rig.venue.place_order(sell("4", "50"))


# Settings


@pytest.mark.parametrize(
    "settings",
    [
        {"max_order_notional": 0.5},
        {"max_order_notional": "NaN"},
        {"max_position": {BTC: -1}},
        {"max_position": {"BTC-USD-PERP": 1}},
        {"max_open_orders": 1.5},
        {"max_orders_per_minute": True},
        {"markets": BTC},
        {"markets": ["BTC-USD-PERP"]},
    ],
    ids=str,
)
def test_settings_that_would_not_mean_what_they_say_are_refused(settings):
    """At once, and not at the first order."""
    with pytest.raises(ConfigError):
        RiskLimits(**settings)


def test_zero_is_a_limit():
    """Nothing may be ordered, rather than anything."""
    limits = RiskLimits(max_order_notional=0, max_open_orders=0)
    assert limits._max_order_notional == 0
    assert limits._max_open_orders == 0


async def test_the_window_of_an_order_is_its_own():
    """accept_within, where the order has it, holds instead of the venue's."""
    rig, _ = rig_with(max_open_orders=1)
    async with rig:
        await rig.venue.fetch_open_orders()
        rig.plugin.failure = OutcomeUnknownError("lost")
        with pytest.raises(OutcomeUnknownError):
            await rig.venue.place_order(buy(accept_within=timedelta(seconds=60)))
        rig.plugin.failure = None
        rig.clock.advance(60)
        await rig.venue.fetch_open_orders()
        await refused(rig, buy(), "1 orders")
        rig.clock.advance(10)
        await rig.venue.fetch_open_orders()
        await rig.venue.place_order(buy(side=Side.SELL))
