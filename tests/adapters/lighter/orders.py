"""What the tests of commands share: an order of ours, the nonces sent, and what the venue says of a transaction."""

from __future__ import annotations

from decimal import Decimal

from perpkit.core.models import OrderIntent, Side
from tests.adapters.lighter.conftest import EXAMPLES
from tests.adapters.lighter.stub import Says

D = Decimal

REST = EXAMPLES["rest"]

ETH = "ETH-USDC-PERP@lighter"

ORDER = REST["Orders"]["orders"][0]


def intent(**changes):
    fields = {"market_id": ETH, "side": Side.BUY, "size": D("0.1"), "price": D(4000)}
    return OrderIntent(**{**fields, **changes})


def nonces(stub):
    return [each.tx["Nonce"] for each in stub.sent]


def fate(**changes):
    """What ``GET /tx`` says of any transaction."""
    return lambda asked: Says({"code": 200, "hash": asked.query["value"], "type": 14, "status": 2, **changes})
