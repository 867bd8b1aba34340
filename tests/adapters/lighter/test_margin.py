"""Leverage, margin mode and margin of a position: set, followed to their end, and read back."""

from __future__ import annotations

import pytest

from perpkit.core.errors import AuthError, InvalidOrderError, InvalidRequestError
from perpkit.core.models import MarginMode, OrderRef
from tests.adapters.lighter.orders import ETH, REST, D
from tests.adapters.lighter.stub import Says, no

# Leverage


async def test_a_leverage_is_set_and_read_back(stub):
    """The fraction is signed; what the venue then says is returned, and the mode kept."""
    row = REST["DetailedAccounts"]["accounts"][0]

    def account(asked):
        percent = "14.28" if stub.sent else "5.00"
        position = {**row["positions"][0], "initial_margin_fraction": percent}
        return Says({"code": 200, "accounts": [{**row, "positions": [position]}]})

    stub.say("GET /api/v1/account", account)
    async with stub.open() as venue:
        setting = await venue.set_leverage(ETH, D(7))
    tx = stub.sent[0].tx
    assert (stub.sent[0].form["tx_type"], tx["InitialMarginFraction"], tx["MarginMode"]) == ("20", 1428, 0)
    assert (setting.leverage, setting.margin_mode) == (D(7), MarginMode.CROSS)


async def test_a_margin_mode_that_can_not_change_now_says_what_to_do(stub):
    """The venue wants the market empty."""
    stub.say(
        "POST /api/v1/sendTx", no(21132, "margin mode change on a market with position or open order is not allowed")
    )
    async with stub.open() as venue:
        with pytest.raises(InvalidRequestError, match="close the position"):
            await venue.set_margin_mode(ETH, MarginMode.ISOLATED)
    assert (stub.sent[0].tx["MarginMode"], stub.sent[0].tx["InitialMarginFraction"]) == (1, 500)


@pytest.mark.parametrize(("amount", "units", "direction"), [("25.5", 25_500_000, 1), (-3, 3_000_000, 0)])
async def test_margin_moves_in_millionths_to_and_from_a_position(stub, amount, units, direction):
    """Direction 1 adds, 0 takes away; it returns once the sequencer has done it."""
    async with stub.open() as venue:
        await venue.adjust_margin(ETH, amount)
    tx = stub.sent[0].tx
    assert stub.sent[0].form["tx_type"] == "29"
    assert (tx["MarketIndex"], tx["USDCAmount"], tx["Direction"]) == (0, units, direction)
    assert [each.path for each in stub.asked][-1] == "/api/v1/tx"


@pytest.mark.parametrize("amount", [0, "0.0000001", "nan", 0.5])
async def test_an_amount_that_can_not_be_moved_is_not_sent(stub, amount):
    """Nothing, less than a millionth, no number, a float."""
    async with stub.open() as venue:
        with pytest.raises(InvalidOrderError, match="amount"):
            await venue.adjust_margin(ETH, amount)
    assert not stub.sent


async def test_a_key_that_was_replaced_elsewhere_is_named(stub):
    """21108 on the next transaction."""
    stub.say("POST /api/v1/sendTx", no(21108, "invalid PublicKey,please run changePubKey"))
    async with stub.open() as venue:
        with pytest.raises(AuthError, match="another key by now"):
            await venue.cancel_order(OrderRef(market_id=ETH, client_order_id="5"))
