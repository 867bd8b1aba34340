"""
ccxt's lighter class, unmodified but for its URLs and signing with lighter-sdk's library, trades and streams against the
local Lighter.

Bugs of ccxt 4.5.90 that it meets or has to be kept from:

- it adds an integrator's fee of its own, a tenth of a percent, unless ``builderFee`` is false;
- its nonces are times in milliseconds, with the attribute that lets numbers be left out;
- ``fetch_funding_rates`` gives the fraction for 8 hours as ``fundingRate`` without saying for how long;
- a trade's fee comes without a cost;
- its order book takes the offset of an API server for its nonce, so that it finds no gaps;
- a market order with ``stopLossPrice`` gets no expiry, which the signer refuses, and the error is a bare ``Exception``;
- an order with a trigger reads as a plain ``limit`` order.
"""

from decimal import Decimal

import pytest

from perpkit.core.models.order import Side
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter import LocalLighter, Settings
from tests.sim.outside import run_outside

pytestmark = pytest.mark.timeout(120)


async def test_ccxt_trades_and_streams_on_the_local_venue(lighter_python):
    """What ccxt parsed is what the ledger holds."""
    async with LocalLighter(seed=11, clock=SimClock.real_time(), settings=Settings(limits_scale=0)) as sim:
        sim.control.quote("ETH")
        sim.control.trade("ETH", Side.BUY, Decimal("0.25"))
        account = sim.accounts[0]
        request = {"url": sim.url, "ws_url": sim.ws_url, **account.reveal()}
        seen = await run_outside(lighter_python, "ccxt_lighter_client.py", request)
        sim.control.check_invariants()
        cash = sim.exchange.account(str(account.account_index)).cash
    assert seen["version"] == "4.5.90"
    assert seen["swaps"] == ["BTC/USDC:USDC", "DOGE/USDC:USDC", "ETH/USDC:USDC", "SOL/USDC:USDC"]
    assert seen["precision"] == [0.0001, 0.01]
    assert seen["book"] == seen["watched_book"] == [3999.99, 4000.01]
    assert (seen["ticker"], seen["watched_mark"]) == (4000.01, "4000.00")
    assert seen["funding_rate"] == [9.6e-05, None]
    assert (seen["placed"], seen["open"]) == ("501", [["501", 3900.0, "open"]])
    assert seen["edited"] == [[0.2, 3910.0]]
    assert seen["after_cancel"] == 0
    assert seen["position"] == ["long", 0.1, 4000.01]
    assert seen["fill"][:4] == ["buy", 0.1, 4000.01, "taker"]
    assert seen["closed"] == [["501", "canceled"], ["502", "closed"]]
    assert cash == Decimal(100_000) - Decimal("400.001") * Decimal("0.00028")
    assert seen["balance"] == pytest.approx(float(cash))


async def test_ccxt_minds_triggers_margin_and_the_socket_on_the_local_venue(lighter_python):
    """Orders of several kinds, margin of an isolated position, orders as ``jsonapi/sendtx``, and what it watches."""
    async with LocalLighter(seed=11, clock=SimClock.real_time(), settings=Settings(limits_scale=0)) as sim:
        for market, price in (("ETH", 4000), ("BTC", 80_000)):
            sim.control.set_price(market, index=Decimal(price), mark=Decimal(price))
            sim.control.quote(market, levels=10, size=Decimal(5))
        account = sim.accounts[0]
        me = str(account.account_index)
        request = {"url": sim.url, "ws_url": sim.ws_url, **account.reveal()}
        seen = await run_outside(lighter_python, "ccxt_lighter_affairs_client.py", request)
        sim.control.check_invariants()
        held = {market: sim.exchange.position(me, market).size for market in ("ETH", "BTC")}
        ends = {order.client_id: order.close_reason for order in sim.exchange.orders(me)}
    stop = seen["orders"].pop("stop market")
    assert "OrderExpiry is invalid" in stop
    assert seen["orders"] == {
        "post-only": "601",
        "ioc": "602",
        "market": "603",
        "stop limit": "604",
        "reduce-only": "606",
    }
    assert seen["standing"] == [["601", "limit", "open"], ["604", "limit", "open"]]
    assert seen["over"] == [["602", "canceled"], ["603", "closed"], ["606", "closed"]]
    assert (seen["switch"], seen["left"]) == (200, 0)
    assert seen["trades"] == [["buy", 0.2], ["sell", 0.1]]
    assert (seen["position"], seen["public_trades"]) == (0.1, 2)
    assert (seen["margins"], seen["isolated"]) == (["ok"] * 4, ["isolated", 0.01])
    assert (seen["ws_placed"], seen["ws_standing"]) == (200, [["621", 3880.0]])
    assert (seen["ws_canceled"], seen["ws_left"]) == ("ok", 0)
    assert seen["watched_order"] == ["631", "closed"]
    assert seen["watched_trade"] == ["buy", 0.1]
    assert (seen["watched_balance"], seen["watched_mark"]) == (["USDC"], 4000.0)
    assert seen["watched_fill"][0] == "buy"
    assert held == {"ETH": Decimal("0.2"), "BTC": Decimal("0.01")}
    assert set(ends) == {"601", "602", "603", "604", "606", "611", "621", "631"}
