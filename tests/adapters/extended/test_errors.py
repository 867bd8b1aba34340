"""The venue's words for no: every documented code and reason has its meaning, and an unknown one is told apart."""

from __future__ import annotations

import logging

import pytest

from perpkit.adapters.extended.errors import CODES, ENDINGS, ending, venue_error
from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    InvalidRequestError,
    OrderNotFoundError,
    OrderRejectedError,
    PerpkitError,
    RateLimitError,
    RejectReason,
    UnknownMarketError,
    UnmappedVenueError,
    VenueUnavailableError,
)
from perpkit.core.models import OrderStatus

# The documentation's table of codes, and the SDK's and the documentation's list of reasons.
DOCUMENTED = {
    1000, 1001, 1002, 1003, 1004, 1005, 1006, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1049, 1050, 10501, 1052, 1053,
    1100, 1101, 1102, *range(1120, 1149), 1500, 1600, 1601, 1602, 1604, 1605, 1607, 1608, 1650, 1700, 1701, 1703, 1704,
}  # fmt: skip
REASONS = {
    "UNKNOWN_MARKET", "DISABLED_MARKET", "NOT_ENOUGH_FUNDS", "NO_LIQUIDITY", "INVALID_FEE", "INVALID_QTY",
    "INVALID_PRICE", "INVALID_VALUE", "UNKNOWN_ACCOUNT", "SELF_TRADE_PROTECTION", "POST_ONLY_FAILED",
    "REDUCE_ONLY_FAILED", "INVALID_EXPIRE_TIME", "POSITION_TPSL_CONFLICT", "INVALID_LEVERAGE", "PREV_ORDER_NOT_FOUND",
    "PREV_ORDER_TRIGGERED", "TPSL_OTHER_SIDE_FILLED", "PREV_ORDER_CONFLICT", "ORDER_REPLACED", "POST_ONLY_MODE",
    "REDUCE_ONLY_MODE", "TRADING_OFF_MODE", "NEGATIVE_EQUITY", "ACCOUNT_LIQUIDATION",
}  # fmt: skip


def error(code, status=400, **more):
    return venue_error(code, "words", status=status, operation="place_order", **more)


def test_the_tables_hold_every_documented_word_and_no_other():
    """One that is missing would come as 'unmapped'; one too many was made up."""
    assert set(CODES) == DOCUMENTED
    assert set(ENDINGS) == REASONS


@pytest.mark.parametrize("code", sorted(DOCUMENTED))
@pytest.mark.parametrize("is_order_command", [False, True])
def test_every_code_gives_a_typed_error_with_its_number(code, is_order_command):
    """The venue's own code and words stay with it."""
    came = error(code, is_order_command=is_order_command)
    assert isinstance(came, PerpkitError)
    assert not isinstance(came, UnmappedVenueError)
    assert "words" in str(came)
    assert getattr(came, "code", code) == code


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (1140, OrderRejectedError, RejectReason.MARGIN),
        (1101, OrderRejectedError, RejectReason.INVALID_SIGNATURE),
        (1128, OrderRejectedError, RejectReason.INVALID_ORDER),
        (1134, OrderRejectedError, RejectReason.DUPLICATE_CLIENT_ID),
        (1137, OrderRejectedError, RejectReason.REDUCE_ONLY),
        (1126, OrderRejectedError, RejectReason.ORDER_LIMIT),
        (1142, OrderNotFoundError, None),
        (1001, UnknownMarketError, None),
        ("NOT_FOUND", UnmappedVenueError, None),
        ("MarketNotFound", UnknownMarketError, None),
        ("1140", OrderRejectedError, RejectReason.MARGIN),
        (1010, VenueUnavailableError, None),
        (1006, BadGatewayError, None),
        (4711, UnmappedVenueError, None),
        (10501, InvalidRequestError, None),
    ],
)
def test_codes_mean_what_the_documentation_says(code, kind, reason):
    """Numbers as sent, numbers as text, and the words of some samples."""
    came = error(code, is_order_command=True)
    assert type(came) is kind
    assert getattr(came, "reason", None) is reason


def test_a_status_that_decides_goes_before_the_body():
    """401 has come with an empty body; 429 is the limit's, whatever else it says."""
    refused = error("", status=401)
    assert isinstance(refused, AuthError)
    assert "perpkit check extended" in str(refused)
    assert isinstance(error(1140, status=429), RateLimitError)
    assert isinstance(error("", status=404, not_found=OrderNotFoundError), OrderNotFoundError)
    assert isinstance(error("", status=500), BadGatewayError)
    assert isinstance(error("", status=403), AuthError)


@pytest.mark.parametrize("status", ["CANCELLED", "REJECTED"])
@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_reason_decides_how_an_order_ended(status, reason):
    """Which of the two statuses a failed post-only order gets is not documented; its reason is."""
    found = ending(status, reason)
    if status == "REJECTED" and ENDINGS[reason].reason is not None:
        assert (found.status, found.reason) == (OrderStatus.REJECTED, ENDINGS[reason].reason)
    else:
        assert found == ENDINGS[reason]


def test_a_plain_cancel_has_no_reason_and_an_unknown_one_is_told_once(caplog):
    """No word is listed for a user's own cancel; it comes as NONE or not at all."""
    assert ending("CANCELLED", None).reason is None
    assert ending("CANCELLED", "NONE").status is OrderStatus.CANCELED
    assert ending("EXPIRED", None).status is OrderStatus.EXPIRED
    assert ending("REJECTED", "UNKNOWN").status is OrderStatus.REJECTED
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            strange = ending("CANCELLED", "MOON_PHASE")
    assert strange.status is OrderStatus.CANCELED
    assert strange.reason is RejectReason.OTHER
    assert len([each for each in caplog.records if "MOON_PHASE" in each.getMessage()]) == 1
