"""Public channels: books by snapshot and delta, best prices, trades, summaries, funding, market changes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.sim.orders import Side

from .harness import RefusedError, Socket

TICK = timedelta(milliseconds=50)


def levels(frame, side, kind="inserts"):
    return [(row["price"], row["size"]) for row in frame[kind] if row["side"] == side]


def replay(frames):
    """Apply a snapshot and its deltas; each number must follow the one before."""
    book, last = {}, None
    for frame in frames:
        if frame["update_type"] == "s":
            book = {}
        else:
            assert frame["seq_no"] == last + 1
        for row in frame["deletes"]:
            del book[row["side"], row["price"]]
        for row in frame["inserts"]:
            assert (row["side"], row["price"]) not in book
            book[row["side"], row["price"]] = row["size"]
        for row in frame["updates"]:
            assert (row["side"], row["price"]) in book
            book[row["side"], row["price"]] = row["size"]
        last = frame["seq_no"]
    return book, last


async def test_a_snapshot_feed_begins_with_the_book_and_conflates(sim, quote):
    """The first frame comes at once; three changes within the interval make one frame when it ends."""
    channel = "order_book.BTC-USD-PERP.snapshot@15@100ms"
    quote("SELL", "100010", "1")
    async with Socket(sim) as socket:
        await socket.subscribe(channel)
        (first,) = await socket.wait(channel)
        assert (first["update_type"], levels(first, "SELL")) == ("s", [("100010", "1")])
        quote("SELL", "100011", "1")  # the interval has passed: this one goes out at once
        await socket.wait(channel, 2)
        for price in ("100012", "100013", "100014"):
            quote("SELL", price, "1")
        await socket.settle()
        assert len(socket.frames[channel]) == 2
        sim.clock.advance(timedelta(milliseconds=100))
        frames = await socket.wait(channel, 3)
        assert len(levels(frames[2], "SELL")) == 5
        assert frames[2]["seq_no"] - frames[1]["seq_no"] == 3
        assert frames[2]["best_ask_api"] == {"side": "SELL", "price": "100010", "size": "1"}


async def test_deltas_follow_each_other_and_rebuild_the_book(sim, quote, anybody):
    """Every number follows the last, the replayed book is the venue's first 15 levels, and REST has the same number."""
    channel = "order_book.BTC-USD-PERP.deltas@15@50ms"
    async with Socket(sim) as socket:
        await socket.subscribe(channel)
        for i in range(20):
            quote("SELL", str(100010 + i), "1")
            quote("BUY", str(99990 - i), "2")
        quote("SELL", "100010", "0.5")
        quote("BUY", "100011", "2", visitor=True)  # takes the first level and half of the second
        sim.clock.advance(TICK)
        quote("BUY", "99990", "1")
        sim.clock.advance(TICK)
        rest = (await anybody.get("/orderbook/BTC-USD-PERP", depth=15)).body
        await socket.wait(channel, where=lambda f: f["seq_no"] == rest["seq_no"])
        book, last = replay(socket.frames[channel])
    assert last == rest["seq_no"]
    assert sorted((p, s) for (side, p), s in book.items() if side == "SELL") == sorted(map(tuple, rest["asks"]))
    assert sorted((p, s) for (side, p), s in book.items() if side == "BUY") == sorted(map(tuple, rest["bids"]))


async def test_a_second_subscriber_begins_where_the_first_stands(sim, quote):
    """Its snapshot is the present, and the next delta follows it for both."""
    channel = "order_book.BTC-USD-PERP.deltas@15@100ms"
    async with Socket(sim) as first, Socket(sim) as second:
        await first.subscribe(channel)
        quote("SELL", "100010", "1")
        await first.wait(channel, 2)
        for price in ("100011", "100012"):
            quote("SELL", price, "1")  # within the interval: these wait
        await second.subscribe(channel)
        (snapshot,) = await second.wait(channel)
        assert (snapshot["update_type"], len(snapshot["inserts"])) == ("s", 3)
        quote("SELL", "100013", "1")
        sim.clock.advance(timedelta(milliseconds=100))
        (delta,) = await second.wait(channel, where=lambda f: f["update_type"] == "d")
        await first.wait(channel, where=lambda f: f["seq_no"] == delta["seq_no"])
        assert replay(first.frames[channel]) == replay(second.frames[channel])


async def test_a_long_jump_of_the_clock_starts_the_deltas_over(sim, quote):
    """More changes than anyone can use become one snapshot."""
    channel = "order_book.BTC-USD-PERP.deltas@15@100ms"
    async with Socket(sim) as socket:
        await socket.subscribe(channel)
        quote("SELL", "100010", "1")
        await socket.wait(channel, 2)
        for i in range(501):
            quote("SELL", str(100011 + i), "0.001")
        sim.clock.advance(timedelta(milliseconds=100))
        frames = await socket.wait(channel, 3)
        assert [f["update_type"] for f in frames] == ["s", "d", "s"]
        assert len(levels(frames[2], "SELL")) == 15


async def test_a_price_tick_groups_the_feed(sim, quote):
    """Asks at 100,010.5 and 100,011 stand at 100,020 on the 10-dollar grid, bids go down."""
    channel = "order_book.BTC-USD-PERP.snapshot@15@50ms@10"
    quote("SELL", "100010.5", "1")
    quote("SELL", "100011", "2")
    quote("BUY", "99999.9", "3")
    async with Socket(sim) as socket:
        await socket.subscribe(channel)
        (first,) = await socket.wait(channel)
    assert levels(first, "SELL") == [("100020", "3")]
    assert levels(first, "BUY") == [("99990", "3")]


async def test_the_interactive_feed_shows_retail_orders(sim, quote):
    """A retail-only ask shows there with the spread, and not on the plain feed."""
    quote("SELL", "100010", "1")
    quote("SELL", "100005", "1", rpi=True, post_only=True)
    quote("BUY", "99995", "1")
    async with Socket(sim) as socket:
        for kind in ("snapshot", "interactive"):
            await socket.subscribe(f"order_book.BTC-USD-PERP.{kind}@15@100ms")
        (plain,) = await socket.wait("order_book.BTC-USD-PERP.snapshot@15@100ms")
        (retail,) = await socket.wait("order_book.BTC-USD-PERP.interactive@15@100ms")
    assert levels(plain, "SELL") == [("100010", "1")]
    assert levels(retail, "SELL") == [("100005", "1"), ("100010", "1")]
    assert retail["relative_spread"] == "0.0001"
    assert (plain["best_ask_api"]["price"], plain["best_ask_interactive"]["price"]) == ("100010", "100005")


async def test_best_prices_and_trades_come_for_one_market_or_all(sim, quote):
    """``bbo`` begins with the present; ``ALL`` carries its own channel name."""
    async with Socket(sim) as socket:
        for channel in ("bbo.BTC-USD-PERP", "bbo.ALL", "trades.BTC-USD-PERP", "trades.ALL"):
            await socket.subscribe(channel)
        (first,) = await socket.wait("bbo.BTC-USD-PERP")
        assert (first["bid"], first["ask"]) == ("", "")
        quote("SELL", "100010", "1")
        await socket.wait("bbo.BTC-USD-PERP", where=lambda b: b["ask"] == "100010")
        await socket.wait("bbo.ALL", where=lambda b: b["ask"] == "100010" and b["market"] == "BTC-USD-PERP")
        quote("BUY", "100010", "0.4", visitor=True)
        for channel in ("trades.BTC-USD-PERP", "trades.ALL"):
            (trade,) = await socket.wait(channel)
            assert (trade["price"], trade["size"], trade["side"], trade["trade_type"]) == (
                "100010",
                "0.4",
                "BUY",
                "FILL",
            )
        await socket.wait("bbo.BTC-USD-PERP", where=lambda b: b["ask_size"] == "0.6")


async def test_funding_data_comes_each_second_and_grows_with_the_index(sim):
    """Ten seconds of a positive rate let the index grow by rate times price times the share of the period."""
    async with Socket(sim) as socket:
        await socket.subscribe("funding_data.BTC-USD-PERP")
        await socket.subscribe("funding_data.SOL-USD-PERP")
        (first,) = await socket.wait("funding_data.BTC-USD-PERP")
        sim.clock.advance(timedelta(seconds=288))
        later = (await socket.wait("funding_data.BTC-USD-PERP", 2))[-1]
        grown = Decimal(later["funding_index"]) - Decimal(first["funding_index"])
        assert grown == Decimal("0.0001") * 100000 / 100  # 288 s are a hundredth of 8 hours
        assert later["funding_period_hours"] == 8
        (sol, *_) = await socket.wait("funding_data.SOL-USD-PERP")
        assert (sol["funding_rate"], sol["funding_rate_8h"], sol["funding_period_hours"]) == ("-0.00012", "-0.00024", 4)


@pytest.mark.parametrize("channel", ["markets_summary", "markets_summary.ALL", "markets_summary.ETH-USD-PERP"])
async def test_summaries_come_at_once_and_each_second(sim, channel):
    """For every listed market, options and the rest among them, or for the one that is named."""
    expected = {"ETH-USD-PERP"} if channel.endswith("PERP") else set(sim.venue.listings)
    async with Socket(sim) as socket:
        await socket.subscribe(channel)
        assert {s["symbol"] for s in await socket.wait(channel, len(expected))} == expected
        sim.exchange.set_price("ETH-USD-PERP", index=Decimal(4100))
        sim.clock.advance(timedelta(seconds=1))
        await socket.wait(channel, where=lambda s: s["underlying_price"] == "4100")


async def test_a_scoped_summary_changes_its_markets_in_place(sim):
    """Empty at first, then one market, then another; only a scoped subscription can be changed."""
    async with Socket(sim) as socket:
        await socket.subscribe("markets_summary", markets=[])
        sim.clock.advance(timedelta(seconds=1))
        await socket.settle()
        assert socket.frames["markets_summary"] == []
        change = await socket.call("modify_subscription", channel="markets_summary", add=["SOL-USD-PERP"])
        assert change == {"channel": "markets_summary", "add": ["SOL-USD-PERP"], "remove": []}
        sim.clock.advance(timedelta(seconds=1))
        assert [s["symbol"] for s in await socket.wait("markets_summary")] == ["SOL-USD-PERP"]
        await socket.call(
            "modify_subscription", channel="markets_summary", add=["BTC-USD-PERP"], remove=["SOL-USD-PERP"]
        )
        sim.clock.advance(timedelta(seconds=1))
        assert (await socket.wait("markets_summary", 2))[1]["symbol"] == "BTC-USD-PERP"
        for params in (
            {"channel": "markets_summary", "add": ["NO"]},
            {"channel": "bbo.ALL", "add": ["BTC-USD-PERP"]},
            {"add": ["BTC-USD-PERP"]},
            {"channel": "markets_summary", "add": "BTC-USD-PERP"},
        ):
            with pytest.raises(RefusedError) as refused:
                await socket.call("modify_subscription", **params)
            assert refused.value.code == -32602
    async with Socket(sim) as socket:
        with pytest.raises(RefusedError):
            await socket.call("subscribe", channel="bbo.ALL", markets=["BTC-USD-PERP"])


async def test_a_settlement_is_told_on_the_markets_channels(sim):
    """Of all markets and of the one."""
    async with Socket(sim) as socket:
        for channel in ("markets", "markets.SOL-USD-PERP", "markets.BTC-USD-PERP"):
            await socket.subscribe(channel)
        sim.exchange.settle_market("SOL-USD-PERP", Decimal(200))
        for channel in ("markets", "markets.SOL-USD-PERP"):
            (event,) = await socket.wait(channel, where=lambda e: e["event_type"] == "SETTLED")
            assert event["symbol"] == "SOL-USD-PERP"
        assert socket.frames["markets.BTC-USD-PERP"] == []


async def test_a_quiet_market_sends_nothing(sim, quote):
    """Changes of one market do not show on another's channels."""
    async with Socket(sim) as socket:
        channel = "order_book.ETH-USD-PERP.deltas@15@50ms"
        await socket.subscribe(channel)
        quote(Side.SELL, "100010", "1")
        sim.clock.advance(timedelta(seconds=1))
        await socket.settle()
        assert len(socket.frames[channel]) == 1
