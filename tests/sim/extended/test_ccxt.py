"""
ccxt's extended class, unmodified but for its configuration, trades on the local Extended.

Traps met, by their numbers in the project's description of the venue, each on ccxt's side of the contract:

- 20: it adds a builder's code unless told not to, and the fills cost a basis point more;
- 21: canceling one symbol's orders sends ``cancelAll`` with the market, which takes the whole account's orders;
- 22: its nonce is the time in seconds: two equal orders in a second are one signed message (``strict`` refuses);
- 23: it hashes transfers and withdrawals otherwise than the venue's own library, and only orders alike; the local
  venue does not serve them, so the hashes are compared;
- 24: daily open interest never leaves the client: it maps a day to an interval that it does not take itself;
- 25: conditional orders leave out ``triggerPriceType`` and ``executionPriceType`` (``strict``), and setting the
  leverage answers no leverage, as the venue's answer has none;
- 26: its books are floats;
- 27: it declares a taker fee of 0.002 and calls ``/api/v1``;
- funding payments are asked for with ``startTime`` where the venue documents ``fromTime`` (``strict``).

Markets with quotes on request read as ordinary swaps to it.
"""

import pytest

from perpkit.sim.clock import SimClock
from perpkit.sim.venues.extended import LocalExtended, Settings
from tests.sim.outside import run_outside

from .harness import access

SYMBOL = "BTC/USDC:USDC"
pytestmark = pytest.mark.timeout(120)


async def drive(python, **settings):
    async with LocalExtended(seed=11, clock=SimClock.real_time(), settings=Settings(**settings)) as venue:
        venue.control.quote("BTC-USD", ticks_apart=10)
        seen = await run_outside(python, "ccxt_extended_client.py", access(venue))
        venue.control.check_invariants()
        return seen, venue.deviations


async def test_ccxt_reads_trades_and_streams(x10_python):
    """Its own settlement hash agrees with the venue's recomputation; the traps show as they are named above."""
    seen, deviations = await drive(x10_python)
    assert seen["version"] == "4.5.90"
    assert {SYMBOL, "ETH/USDC:USDC", "SOL/USDC:USDC"} <= set(seen["swaps"])
    assert not {"LUNA/USDC:USDC", "SOON/USDC:USDC"} & set(seen["swaps"])
    assert seen["ticker"] == [84012, 84032]
    assert seen["book"] == [10, 10]
    assert (seen["balance"], seen["fee"]) == ([100_000], 0.00025)
    assert (seen["placed"], seen["fetched"]) == ("ccxt-1", "open")
    assert seen["edited"] == [True, 0.02]
    assert seen["open"] == [[80100, 0.02]]
    assert seen["open_after_cancel"] == 0
    assert seen["fill"] == ["buy", 0.01, "taker"]
    assert seen["positions"] == [["long", "0.01"]]
    assert seen["history"] == ["canceled", "closed"]
    assert "InvalidOrder" in seen["refused"]
    assert "1141" in seen["refused"]
    assert seen["ws_book"] == [True, "float"]  # trap 26
    assert {seen["ws_mark"], seen["ws_order"], seen["ws_fill"], seen["ws_trade"]} == {SYMBOL}
    assert seen["ws_balance"] == ["USDC"]  # which the wire calls USD
    assert seen["trap_20_fee_rate"] == 0.00035
    assert seen["trap_21_left_of_the_other_market"] == 0
    assert "1134" in seen["trap_22_twice_in_a_second"]
    assert seen["trap_23_same_hash"] == {"order": True, "transfer": False, "withdrawal": False}
    assert "BadRequest" in seen["trap_24_daily_open_interest"]
    assert "triggerPriceType is missing" in seen["trap_25_conditional"]
    assert (seen["trap_25_leverage_answer"], seen["leverage"]) == (None, 10)
    assert seen["taker"] == 0.002  # trap 27
    assert "startTime" in seen["funding_history_parameter"]
    assert deviations == []


async def test_a_lenient_venue_takes_what_ccxt_sends(x10_python):
    """With ``strict=False`` what was refused above passes, and is noted."""
    seen, deviations = await drive(x10_python, strict=False)
    assert seen["trap_22_twice_in_a_second"] == ""
    assert seen["trap_25_conditional"] == ""
    assert seen["funding_history_parameter"] == ""
    for part in ("one nonce", "triggerPriceType", "executionPriceType", "'startTime'", "'fromTime'"):
        assert any(part in note for note in deviations), (part, deviations)
