"""
The venue's own SDK, unmodified but for the URL, trades on the local Paradex.

Where the SDK and the contract part, the contract decides (``strict``, the default) and the deviation is named here;
with ``strict=False`` the local venue takes what the SDK sends:

- market orders go out without ``price``, which the contract requires;
- ``order.create_batch`` carries a bare list where the contract has ``{"orders": [...]}``;
- two orders may be signed in the same millisecond, although the timestamp is the nonce;
- a modification carries ``client_id``, ``instruction``, ``recv_window`` and ``stp``, which its schema does not list.
"""

import pytest

from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex import LocalParadex, Settings
from tests.sim.outside import run_outside

pytestmark = pytest.mark.timeout(120)


async def drive(python, venue):
    request = {"url": venue.url, "ws_url": venue.ws_url, **venue.accounts[0].reveal()}
    return await run_outside(python, "paradex_py_client.py", request)


async def test_paradex_py_signs_in_trades_and_follows_streams(oracle_python):
    """Sign-in, balances, orders placed, listed, modified, canceled, batches, fills, streams, all three credentials."""
    async with LocalParadex(seed=11, clock=SimClock.real_time(), liquidity=True) as venue:
        account = venue.accounts[0]
        seen = await drive(oracle_python, venue)
        venue.exchange.check_invariants()
    assert seen["address"] == account.address
    assert [(b["token"], b["size"]) for b in seen["balances"]] == [("USDC", "100000")]
    assert seen["account_value"] == "100000"
    assert {"BTC-USD-PERP", "kPEPE-USD-PERP", "DIME-USD"} <= set(seen["markets"])
    assert seen["summaries"] == len(seen["markets"])
    assert seen["book"] == {"bids": 10, "asks": 10}
    assert seen["rate_limit"] == 1500
    assert (seen["placed"]["status"], seen["placed"]["client_id"]) == ("NEW", "sdk-1")
    assert seen["open"] == [seen["placed"]["id"]]
    assert seen["modified"] == {"id": seen["placed"]["id"], "price": "91000", "size": "0.02", "status": "OPEN"}
    assert seen["after_cancel"] == []
    assert seen["history"] == [["sdk-1", "CLOSED", "USER_CANCELED"]]
    assert seen["batch"] == ["NEW"] * 3
    assert seen["batch_cancel"] == ["QUEUED_FOR_CANCELLATION", "NOT_FOUND"]
    assert seen["after_cancel_all"] == []
    assert seen["fills"] == [["sdk-take", "0.01", "BUY"]]
    assert seen["positions"] == [["BTC-USD-PERP", "LONG", "0.01"]]
    assert seen["connected"] is True
    assert (seen["ws_created"], seen["ws_order_update"], seen["ws_modified"]) == ("NEW", "sdk-ws", "90500")
    assert seen["ws_canceled"]["status"] == "QUEUED_FOR_CANCELLATION"
    assert (seen["ws_closed"], seen["ws_fill"]) == ("USER_CANCELED", "sdk-ws-take")
    assert (seen["ws_book"], seen["ws_delta"]) == ("s", "BTC-USD-PERP")
    assert {seen["ws_bbo"], seen["ws_trade"], seen["ws_summary"]} == {"BTC-USD-PERP"}
    assert seen["ws_account"] == "USDC"
    assert seen["ws_cancel_on_disconnect"] == {"enabled": True}
    assert seen["ws_cancel_all"] == {"status": "ok"}
    assert seen["subkey_order"] == account.address
    assert seen["readonly"]["balances"] == 1
    assert "INVALID_TOKEN_SCOPE" in seen["readonly"]["cancel"]
    # What the SDK sends beyond the contract: refused, and the fields that a schema leaves open noted.
    assert "price: required" in seen["market_order_without_price"]
    assert "INVALID_TIMESTAMP" in seen["two_orders_of_one_millisecond"]
    assert "-32602" in seen["ws_batch_as_bare_list"]
    assert any("PUT /orders" in note and "'client_id'" in note for note in venue.deviations)


async def test_a_lenient_venue_takes_what_the_sdk_sends(oracle_python):
    """With ``strict=False`` its market orders fill and its batches pass; each deviation is noted."""
    settings = Settings(strict=False)
    async with LocalParadex(seed=12, clock=SimClock.real_time(), liquidity=True, settings=settings) as venue:
        seen = await drive(oracle_python, venue)
    for name in ("market_order_without_price", "two_orders_of_one_millisecond", "ws_batch_as_bare_list"):
        assert seen[name] == ""
    assert seen["positions"] == [["BTC-USD-PERP", "LONG", "0.02"]]
    assert any("'price' is required" in note for note in venue.deviations)
    assert any("bare list" in note for note in venue.deviations)
