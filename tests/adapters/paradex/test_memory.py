"""What decoding remembers of orders and balances: the latest, of each, and not without bound."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from perpkit.adapters.paradex.memory import Balances, OrderMemory
from perpkit.core.models import Balance, Side

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def balance(asset="USDC", total="10", available=None):
    free = Decimal(available) if available is not None else None
    return Balance(asset=asset, total=Decimal(total), available=free, ts_received=NOW)


def test_an_order_is_known_by_what_was_told_of_it_last():
    """Its type may be told first and its side corrected later; one that was never told of has neither."""
    orders = OrderMemory()
    assert (orders.side("1"), orders.type("1")) == (None, None)
    told = [(Side.BUY, "LIMIT"), (Side.SELL, "LIMIT"), (Side.SELL, "STOP_LIMIT"), (Side.SELL, "STOP_LIMIT")]
    for side, kind in told:
        orders.remember("1", side, kind)
        assert (orders.side("1"), orders.type("1")) == (side, kind)
    assert orders.side("2") is None


def test_the_order_that_was_touched_longest_ago_is_forgotten_first():
    """Room for two: the third drops the second, as the first was told of again."""
    orders = OrderMemory(most=2)
    for order_id in ("1", "2", "1", "3"):
        orders.remember(order_id, Side.BUY, "LIMIT")
    assert [orders.side(order_id) for order_id in ("1", "2", "3")] == [Side.BUY, None, Side.BUY]


def test_a_balance_is_told_whole_whichever_half_changes():
    """The settled total comes in one message and what is free in another."""
    balances = Balances()
    assert balances.with_free("USDC", Decimal(4), NOW, NOW) is None
    told = balances.with_total("USDC", Decimal(10), None, NOW)
    assert (told.asset, told.total, told.available, told.ts_venue, told.ts_received) == ("USDC", 10, 4, None, NOW)
    told = balances.with_free("USDC", Decimal(3), NOW, NOW)
    assert told is not None
    assert (told.total, told.available, told.ts_venue) == (10, 3, NOW)
    assert balances.with_total("ETH", Decimal(1), NOW, NOW).available is None


def test_a_full_reading_replaces_all_that_was_known():
    """What it does not name is gone; what it gives no free part of has none."""
    balances = Balances()
    balances.with_total("ETH", Decimal(7), NOW, NOW)
    balances.with_free("BTC", Decimal(1), NOW, NOW)
    balances.learn([balance("USDC", "10", "4"), balance("BTC", "2")])
    assert balances.with_free("ETH", Decimal(1), NOW, NOW) is None
    assert balances.with_total("USDC", Decimal(11), NOW, NOW).available == 4
    assert balances.with_total("BTC", Decimal(2), NOW, NOW).available is None
    told = balances.with_free("BTC", Decimal(1), NOW, NOW)
    assert told is not None
    assert told.total == 2
