"""
The venue's own SDK, unmodified but for its address, checks its keys, reads, trades, streams and gets over a nonce that
is another's, against the local Lighter.

Where lighter-sdk 1.1.8 shows itself:

- an address that names no network of the venue's is signed for chain 304, which is the local venue's default;
- ``account(by=...)`` is sent as it is given: the venue refuses ``address`` and takes ``l1_address``;
- a body code in a refusal reaches the caller as text only: ``code=21104 message='invalid nonce' ...``;
- its WebSocket client answers nothing but pings and keeps book sides unsorted.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from perpkit.core.models.order import Side
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter import LocalLighter, Settings

from .harness import run_oracle

SCRIPT = Path(__file__).parents[2] / "oracle" / "lighter_client.py"
pytestmark = pytest.mark.timeout(120)


async def test_the_sdk_trades_and_streams_on_the_local_venue(lighter_python):
    """Every transaction was signed by the SDK's library and verified here; every refusal has the venue's code."""
    async with LocalLighter(seed=11, clock=SimClock.real_time(), settings=Settings(limits_scale=0)) as sim:
        sim.control.quote("ETH")
        sim.control.trade("ETH", Side.BUY, Decimal("0.25"))
        account = sim.accounts[0]
        request = {"url": sim.url, "ws_url": sim.ws_url, **account.reveal()}
        seen = await run_oracle(lighter_python, SCRIPT, request)
        sim.control.check_invariants()
        cash = sim.exchange.account(str(account.account_index)).cash
        open_orders = {order.client_id for order in sim.exchange.open_orders(str(account.account_index))}
    assert seen["version"] == "1.1.8"
    assert seen["check_client"] is None
    assert "does not match" in seen["wrong_key"]
    assert "code=21120" in seen["wrong_signature"]
    assert seen["markets"][:2] == [["ETH", 0, 4, 2], ["BTC", 1, 5, 1]]
    assert (seen["order_books"], seen["status"]) == (5, 200)
    assert (seen["book"], seen["recent"]) == (["3999.99", "4000.01"], ["0.2500"])
    assert seen["funding_rates"][-1] == ["lighter", 9.6e-05]
    assert len(seen["funding_rates"]) == 4
    assert seen["account"] == [account.account_index, "100000.000000", account.l1_address]
    assert (seen["sub_accounts"], seen["keys"]) == ([account.account_index], [4, 5, 6])
    assert seen["by_address"] == "BadRequestException"
    taken = {"limit", "modify", "cancel", "market", "post_only", "stop", "cancel_all", "abort", "leverage"}
    assert {name for name, answer in seen["trade"].items() if answer == 200} == taken
    assert "code=21714" in seen["trade"]["schedule"]
    assert seen["orders"] == {"1": "canceled", "2": "filled", "3": "canceled-post-only", "4": "canceled"}
    assert seen["active"] == 0
    assert seen["fills"] == [["0.1000", "4000.01", 280, True]]
    assert seen["position"] == ["ETH", 1, "0.1000", "10.00"]
    assert seen["batch"] == [200, True]
    assert seen["ws_books"] == ["0", True]
    assert seen["ws_accounts"] is True
    assert seen["collision"] == ["taken", "taken", "invalid nonce", "taken"]
    assert open_orders == {"20", "21", "40", "41", "43"}
    assert cash == Decimal(100_000) - Decimal("400.001") * Decimal("0.00028")
