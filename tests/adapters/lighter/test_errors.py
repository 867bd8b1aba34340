"""The venue's words for no: every documented code has a class, a refused order a reason."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.lighter.errors import CODES, ENDINGS, ending, reason_of, venue_error
from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    InvalidRequestError,
    OrderNotFoundError,
    OrderRejectedError,
    RateLimitError,
    RejectReason,
    UnknownMarketError,
    UnmappedVenueError,
)
from perpkit.core.models import OrderStatus
from perpkit.core.refusals import Ending

DOCUMENTED = """
20001 20013 21100 21101 21102 21103 21104 21105 21106 21107 21108 21109 21110 21111 21112 21113 21120 21121 21122 21126
21132 21133 21134 21136 21300 21301 21302 21303 21304 21305 21500 21501 21505 21506 21507 21508 21511 21513 21514 21600
21601 21602 21603 21605 21613 21614 21615 21618 21700 21701 21702 21703 21704 21705 21706 21707 21708 21709 21710 21711
21712 21713 21714 21715 21717 21718 21719 21720 21721 21722 21727 21728 21729 21732 21733 21734 21735 21738 21739 21740
21741 21742 21743 22400 22401 22402 22403 23000 23001 23002 23003 29404 29500 29501 30000 30001 30002 30003 30004 30005
30006 30007 30008 30009 30010 61001 61002 61003 61004 61005 62001 62002 62003 62004 62005 62006 21146 21149 62007
"""
"""The venue's error table of July 2026 (apidocs), and what ccxt and nautilus_trader met beyond it."""


def error(code, message="words", status=400, **changes):
    return venue_error(code, message, status=status, operation="test", **changes)


@pytest.mark.parametrize("code", [int(each) for each in DOCUMENTED.split()])
def test_every_documented_code_has_a_meaning(code):
    """None of them ends as unmapped; code and message are kept."""
    found = error(code, "the venue's words", is_order_command=True)
    assert code in CODES
    assert not isinstance(found, UnmappedVenueError)
    assert "the venue's words" in str(found)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (21104, InvalidRequestError),
        (21120, AuthError),
        (21108, AuthError),
        (20013, AuthError),
        (21100, AuthError),
        (21602, UnknownMarketError),
        (21709, OrderNotFoundError),
        (21600, OrderNotFoundError),
        (23000, RateLimitError),
        (30009, RateLimitError),
        (29500, BadGatewayError),
        (29501, BadGatewayError),
    ],
)
def test_a_code_says_what_the_caller_may_do_next(code, kind):
    """By its class."""
    assert isinstance(error(code), kind)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (21739, RejectReason.MARGIN),
        (21301, RejectReason.MARGIN),
        (21732, RejectReason.REDUCE_ONLY),
        (21738, RejectReason.REDUCE_ONLY),
        (21728, RejectReason.DUPLICATE_CLIENT_ID),
        (21733, RejectReason.PRICE_BAND),
        (21734, RejectReason.PRICE_BAND),
        (21717, RejectReason.ORDER_LIMIT),
        (21605, RejectReason.MARKET_CLOSED),
        (21706, RejectReason.INVALID_ORDER),
        (21120, RejectReason.INVALID_SIGNATURE),
        (20001, RejectReason.INVALID_ORDER),
    ],
)
def test_a_refused_order_has_its_reason(code, reason):
    """In common terms, with the venue's code beside it."""
    found = error(code, is_order_command=True)
    assert isinstance(found, OrderRejectedError)
    assert (found.reason, found.code) == (reason, code)


def test_a_wrong_nonce_says_what_is_likely():
    """Two processes on one key."""
    assert "an API key of its own" in str(error(21104, "invalid nonce"))


def test_a_429_is_a_rate_limit_whatever_its_code():
    """Nobody knows which one the gateway writes."""
    found = error(20001, status=429, retry_after=timedelta(seconds=3))
    assert isinstance(found, RateLimitError)
    assert found.retry_after == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("code", "status", "message", "kind"),
    [
        (0, None, "auth field is required", AuthError),
        (99999, 401, "", AuthError),
        (99999, 502, "", BadGatewayError),
        (20014, 400, "invalid auth: expired token", AuthError),
        (99999, 400, "new words", UnmappedVenueError),
    ],
)
def test_an_unlisted_code_is_read_by_what_comes_with_it(code, status, message, kind):
    """Status first, then the words about tokens; anything else is reported as unmapped."""
    assert type(error(code, message, status=status)) is kind


def test_every_end_of_the_contract_is_known():
    """The states of lighter-sdk 1.1.8 that begin with canceled."""
    words = "post-only reduce-only position-not-allowed margin-not-allowed too-much-slippage not-enough-liquidity"
    words += " self-trade expired oco child liquidation invalid-balance"
    assert set(ENDINGS) == {"canceled", *(f"canceled-{word}" for word in words.split())}


def test_what_was_filled_was_not_rejected():
    """The rest of a partly filled order can only have been canceled, for the same reason."""
    whole, part = ending("canceled-post-only", Decimal(0)), ending("canceled-post-only", Decimal("0.1"))
    assert (whole.status, part.status) == (OrderStatus.REJECTED, OrderStatus.CANCELED)
    assert whole.reason is part.reason is RejectReason.POST_ONLY_WOULD_CROSS
    assert ending("open", Decimal(0)) is None


def test_a_cancel_for_a_new_reason_is_a_cancel_and_told_once(caplog):
    """That the order is over is certain; a stream that says so again and again does not fill the log."""
    for _ in range(2):
        assert ending("canceled-at-noon", Decimal(0)) == Ending(OrderStatus.CANCELED, RejectReason.OTHER)
    assert len([each for each in caplog.records if "canceled-at-noon" in each.getMessage()]) == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("reduce only increases position", RejectReason.REDUCE_ONLY),
        ("not enough margin to create the order", RejectReason.MARGIN),
        ("account is in pre-liquidation and the transaction doesn't increase the account health", RejectReason.MARGIN),
        ("order price flagged as an accidental price", RejectReason.PRICE_BAND),
        ("client order index already exists", RejectReason.DUPLICATE_CLIENT_ID),
        ("maximum active limit order count reached", RejectReason.ORDER_LIMIT),
        ("invalid market status", RejectReason.MARKET_CLOSED),
        ("invalid price", RejectReason.INVALID_ORDER),
        ("invalid reduce only direction", RejectReason.REDUCE_ONLY),
        ("something new", RejectReason.OTHER),
        ("", RejectReason.OTHER),
    ],
)
def test_the_sequencers_words_are_a_reason(words, reason):
    """They are those of the error table, without its numbers."""
    assert reason_of(words) is reason
