"""
ccxt's paradex class, unmodified but for its configuration, trades on the local Paradex.

Traps met, each on ccxt's side of the contract:

- it asks for binary (SBE) frames by default; the local venue speaks JSON, so ``options.sbe`` is switched off;
- it signs with whole seconds: two orders in a second share a timestamp, and the timestamp is the nonce (``strict``);
- market orders go out without ``price``, which the contract requires (``strict``);
- it writes signatures in hex, where the venue's SDK writes decimals: the venue takes both;
- spot, dated, settled and unopened rows all read as swaps, and a dated future would take the perpetual's symbol;
- it makes ``KPEPE`` of ``kPEPE``;
- ``VALIDATION_ERROR``, say for a wrong price, is raised as an AuthenticationError.
"""

import subprocess

import pytest

from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex import LocalParadex, Settings
from tests.sim.outside import run_outside

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def ccxt_python(oracle_python):
    """The oracle interpreter, if it has ccxt."""
    tried = subprocess.run([oracle_python, "-c", "import ccxt"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip("ccxt does not import in the oracle environment; `make oracle` makes one that has it")
    return oracle_python


async def drive(python, venue):
    request = {"url": venue.url, "ws_url": venue.ws_url, **venue.accounts[0].reveal()}
    return await run_outside(python, "ccxt_client.py", request)


async def test_ccxt_reads_trades_and_follows_streams(ccxt_python):
    """Markets, book, funding, sign-in, orders placed, edited and canceled, fills, positions, leverage, four streams."""
    async with LocalParadex(seed=21, clock=SimClock.real_time(), liquidity=True) as venue:
        seen = await drive(ccxt_python, venue)
        venue.exchange.check_invariants()
    assert {"BTC/USD:USDC", "ETH/USD:USDC", "SOL/USD:USDC", "KPEPE/USD:USDC"} <= set(seen["swaps"])
    assert (seen["status"], seen["time_is_near"]) == ("ok", True)
    assert (seen["ticker"], seen["book"]) == ({"bid": True, "ask": True}, [10, 10])
    assert (seen["funding_rate"], seen["fee"], seen["balance"]) == (0.0001, 0.0003, 100000.0)
    assert (seen["placed"], seen["open"], seen["fetched"]) == ("open", ["ccxt-1"], True)
    assert seen["edited"] == [True, 91000.0, 0.02]
    assert seen["after_cancel"] == 0
    assert seen["fill"] == {"side": "buy", "amount": 0.01, "takerOrMaker": "taker"}
    assert seen["positions"] == [["long", 0.01]]
    assert seen["orders"] == ["canceled", "closed"]
    assert (seen["leverage"], seen["leverage_set"], seen["deposits"]) == (50, 10, 1)
    assert seen["ws_book"] == [True, True]
    assert {seen[f"ws_{name}"] for name in ("ticker", "order", "fill", "trade")} == {"BTC/USD:USDC"}
    # The traps, as the strict venue answers them.
    assert "INVALID_TIMESTAMP" in seen["same_second"]
    assert "price: required" in seen["market_order"]
    assert seen["rejected"].startswith("AuthenticationError")


async def test_a_lenient_venue_takes_what_ccxt_sends(ccxt_python):
    """With ``strict=False`` its market orders fill, and two orders of one second are both taken."""
    settings = Settings(strict=False)
    async with LocalParadex(seed=22, clock=SimClock.real_time(), liquidity=True, settings=settings) as venue:
        seen = await drive(ccxt_python, venue)
    assert (seen["same_second"], seen["market_order"]) == ("", "")
    assert seen["positions"] == [["long", 0.02]]
