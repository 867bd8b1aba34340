"""
The venue's own SDK, unmodified but for its addresses, signs in, reads, places, replaces, protects, cancels and streams
against the local Extended.

Where the SDK parts from the contract:

- it draws nonces up to 2^32, where the documentation ends at 2^31: half of its orders are beyond it (``strict``);
- ``RestApiClient.place_order`` always sends LIMIT: a market order is made with ``create_order_object``;
- its model of an order knows no TRIGGERED, so the local venue can leave that passing status out;
- its streams need websockets before 14, which its environment here pins.
"""

import pytest

from perpkit.sim.clock import SimClock
from perpkit.sim.venues.extended import LocalExtended, Settings
from tests.sim.outside import run_outside

from .harness import access

pytestmark = pytest.mark.timeout(120)


async def test_the_sdk_trades_and_streams_on_the_local_venue(x10_python):
    """Every order of its was signed by the SDK and verified by the venue's own recomputation, legs too."""
    settings = Settings(strict=False, sends_triggered=False)
    async with LocalExtended(seed=11, clock=SimClock.real_time(), settings=settings) as venue:
        venue.control.quote("BTC-USD", ticks_apart=10)
        account = venue.accounts[0]
        seen = await run_outside(x10_python, "x10_client.py", access(venue))
        venue.control.check_invariants()
        cash = venue.exchange.account(account.account_id).cash
    assert seen["version"] == "2.6.0"
    assert seen["account"] == {"id": int(account.account_id), "vault": account.vault, "key": account.public_key}
    assert seen["stranger"] == "not authorized"
    assert {"BTC-USD", "1000PEPE-USD", "wstETH-USD", "LUNA-USD"} <= set(seen["markets"])
    assert (seen["tick"], seen["mark_price"], seen["asset_price"]) == ("1", "84021.500000000002", "3456.7")
    assert seen["book"] == ["84012", "84032"]
    assert (seen["placed"], seen["fetched"], seen["by_external_id"]) == ("x10-1", "NEW", [True])
    assert seen["open_after_replace"] == ["x10-2"]
    assert seen["replaced"] == ["CANCELLED", "ORDER_REPLACED"]
    assert (seen["canceled"], seen["open_after_cancels"]) == ("CANCELLED", 0)
    assert '"code":1141' in seen["refused"].replace("\\", "")
    assert seen["fill"] == ["BUY", "0.0100000000000000", True, "TRADE"]
    assert seen["position"] == ["LONG", "0.01", "OPENED"]
    assert seen["tpsl"] == ["TPSL", "UNTRIGGERED", "POSITION", "90000", None]
    assert (seen["flat"], seen["past_position"]) == (0, ["TRADE", "LONG"])
    assert seen["history"] == ["CANCELLED", "FILLED"]
    assert (seen["leverage"], seen["fees"]) == ("10", ["0.00025"])
    assert seen["operations"] == ["DEPOSIT"]
    assert seen["v1_snapshots"] == ["ORDER", "BALANCE", "POSITION"]
    assert (seen["v1_book"], seen["v1_delta"]) == (["SNAPSHOT", 1, True], ["DELTA", 2])
    assert (seen["v1_trade"], seen["v1_fill"], seen["v1_position"]) == (["BTC-USD", "BUY"], "0.01", "LONG")
    topics = ["orderbooks.1.BTC-USD", "orderbooks.BTC-USD", "prices.mark.BTC-USD", "trades.BTC-USD"]
    assert seen["v2_subscriptions"] == [f"account.{account.account_id}", *topics]
    assert len(seen["v2_kinds"]) == 6
    assert seen["v2_breaks"] == []
    # Four market orders of 0.01, at 84032 twice and 84012 twice: what they lost and 0.00025 of each.
    traded = 2 * 840.32 + 2 * 840.12
    assert float(seen["balance"]) == pytest.approx(100_000 - 0.4 - traded * 0.00025, abs=1e-9)
    assert seen["balance"] == f"{cash:.6f}"
    assert set(venue.deviations) <= {"POST /user/order: a nonce above 2^31"}
