"""The tables of codes: complete over the contract, and each meaning raised as what it is."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from perpkit.adapters.paradex.errors import CLOSINGS, CODES, RPC_CODES, closing, rpc_error, venue_error
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
    VenueUnavailableError,
)
from perpkit.core.models import OrderStatus

CONTRACT = Path(__file__).parents[3] / "perpkit/sim/venues/paradex/contract"
OPENAPI = json.loads((CONTRACT / "openapi.json").read_text(encoding="utf-8"))
OPENRPC = json.loads((CONTRACT / "openrpc.json").read_text(encoding="utf-8"))


def refusal(code, **details):
    return venue_error(code, "words", **{"status": 400, "operation": "op", **details})


def test_the_table_holds_every_code_of_the_contract_and_no_other():
    """A code added to the contract fails here until somebody has thought about it."""
    assert set(CODES) == set(OPENAPI["components"]["schemas"]["responses.ErrorCode"]["enum"])


def test_the_websocket_s_table_holds_every_code_of_its_contract():
    """The same for JSON-RPC."""
    listed = {error["code"] for method in OPENRPC["methods"] for error in method.get("errors", [])}
    assert set(RPC_CODES) == listed


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_raised_with_the_venue_s_own_words(code):
    """Raw code and message survive, for reads and for orders."""
    for is_order_command in (False, True):
        error = refusal(code, is_order_command=is_order_command, client_order_id="c-1")
        assert code in str(error)
        assert "words" in str(error)
        assert (error.venue, error.operation, error.client_order_id) == ("paradex", "op", "c-1")


REJECTIONS = {
    RejectReason.INVALID_ORDER: (
        "VALIDATION_ERROR", "BINDING_ERROR", "INVALID_REQUEST_PARAMETER", "BATCH_SIZE_OUT_OF_RANGE",
        "ISOLATED_MARKET_ACCOUNT_MISMATCH", "ORDER_IS_NOT_OPEN", "INVALID_ORDER_SIZE", "RPI_ACCOUNT_NOT_WHITELISTED",
    ),
    RejectReason.DUPLICATE_CLIENT_ID: ("DUPLICATED_CLIENT_ID",),
    RejectReason.INVALID_SIGNATURE: (
        "INVALID_STARKNET_SIGNATURE", "STARKNET_SIGNATURE_VERIFICATION_FAILED", "INVALID_ORDER_SIGNATURE",
    ),
    RejectReason.EXPIRED: ("INVALID_TIMESTAMP",),
    RejectReason.MARKET_CLOSED: ("MARKET_NOT_OPEN", "NO_ACCESS_TO_MARKET"),
    RejectReason.MARGIN: ("MARKET_MARGIN_RESTRICTED",),
    RejectReason.OTHER: ("REQUEST_NOT_ALLOWED",),
}  # fmt: skip
"""What each code says of an order that it answers, by the contract's description of the code."""

OTHERS = {
    OrderRejectedError: (
        "ORDER_IS_NOT_OPEN", "INVALID_ORDER_SIZE", "DUPLICATED_CLIENT_ID", "INVALID_ORDER_SIGNATURE", "MARKET_NOT_OPEN",
        "NO_ACCESS_TO_MARKET", "RPI_ACCOUNT_NOT_WHITELISTED", "MARKET_MARGIN_RESTRICTED",
    ),
    BadGatewayError: ("INTERNAL_ERROR",),
    VenueUnavailableError: (
        "SERVICE_UNAVAILABLE", "GEO_IP_BLOCK", "SYSTEM_STATUS_POST_ONLY", "SYSTEM_STATUS_CANCEL_ONLY",
    ),
    OrderNotFoundError: ("ORDER_ID_NOT_FOUND", "ORDER_IS_CLOSED", "CLIENT_ORDER_ID_NOT_FOUND"),
    UnknownMarketError: ("INVALID_SYMBOL", "MARKET_NOT_FOUND"),
    RateLimitError: ("ONBOARDING_RATE_LIMITED",),
    AuthError: (
        "INVALID_TOKEN", "INVALID_STARKNET_ADDRESS", "INVALID_STARKNET_SIGNATURE", "NOT_ONBOARDED", "INVALID_TIMESTAMP",
        "STARKNET_SIGNATURE_VERIFICATION_FAILED", "ACCOUNT_NOT_FOUND", "PUBLIC_KEY_INVALID",
        "UNAUTHORIZED_ETHEREUM_ADDRESS", "UNAUTHORIZED_ERROR", "ALLOWLIST_ENTRY_NOT_FOUND", "ETHEREUM_ADDRESS_BLOCKED",
        "INVALID_CHAIN", "INVALID_SUBKEY", "SUBKEY_NOT_ACTIVATABLE", "INVALID_TOKEN_SCOPE", "IP_NOT_ALLOWED",
    ),
    UnmappedVenueError: ("A_CODE_OF_TOMORROW",),
}  # fmt: skip
"""What each code is outside of orders; the rest of the contract is the caller's mistake."""


@pytest.mark.parametrize("code", [*sorted(CODES), "A_CODE_OF_TOMORROW"])
def test_the_class_says_what_may_be_done_next(code):
    """A refusal of an order is a rejection; an internal error proves nothing and is none."""
    of_reads = next((kind for kind, codes in OTHERS.items() if code in codes), InvalidRequestError)
    reason = next((reason for reason, codes in REJECTIONS.items() if code in codes), None)
    assert type(refusal(code)) is of_reads
    order = refusal(code, is_order_command=True)
    assert type(order) is (of_reads if reason is None else OrderRejectedError)
    assert getattr(order, "reason", None) is reason


@pytest.mark.parametrize(
    ("code", "what_to_do"),
    [
        *((code, "perpkit check paradex") for code in OTHERS[AuthError][:3]),
        ("STARKNET_SIGNATURE_VERIFICATION_FAILED", "perpkit check paradex"),
        ("INVALID_ORDER_SIGNATURE", "perpkit check paradex"),
        ("ACCOUNT_NOT_FOUND", "perpkit check paradex"),
        ("PUBLIC_KEY_INVALID", "perpkit check paradex"),
        ("UNAUTHORIZED_ETHEREUM_ADDRESS", "perpkit check paradex"),
        ("UNAUTHORIZED_ERROR", "perpkit check paradex"),
        ("INVALID_SUBKEY", "registered"),
        ("INVALID_SUBKEY", "perpkit check paradex"),
        ("INVALID_TIMESTAMP", "clock"),
        ("ORDER_IS_CLOSED", "fetch it"),
        ("ORDER_IS_NOT_OPEN", "not open yet"),
        ("NO_ACCESS_TO_MARKET", "may not trade"),
        ("NOT_ONBOARDED", "venue's page"),
        ("ALLOWLIST_ENTRY_NOT_FOUND", "allowlist"),
        ("GEO_IP_BLOCK", "region"),
        ("ETHEREUM_ADDRESS_BLOCKED", "blocked"),
        ("INVALID_CHAIN", "environment"),
        ("RPI_ACCOUNT_NOT_WHITELISTED", "rpi"),
        ("SYSTEM_STATUS_POST_ONLY", "post-only"),
        ("SYSTEM_STATUS_CANCEL_ONLY", "cancels"),
        ("SUBKEY_NOT_ACTIVATABLE", "register"),
        ("INVALID_TOKEN_SCOPE", "read-only token"),
        ("IP_NOT_ALLOWED", "addresses"),
    ],
)
def test_where_the_venue_s_words_say_too_little_the_way_out_is_told(code, what_to_do):
    """The venue's word alone would leave the reader where he was."""
    assert what_to_do in str(refusal(code))


def test_an_unknown_code_is_told_by_its_status_where_that_says_enough():
    """401 and 429 mean the same whatever the word."""
    for status in (401, 403):
        refused = refusal("X", status=status)
        assert (type(refused), refused.status) == (AuthError, status)
        assert "perpkit check paradex" in str(refused)
    assert type(refusal("X", status=402)) is UnmappedVenueError
    limited = refusal("X", status=429, retry_after=timedelta(seconds=3))
    assert isinstance(limited, RateLimitError)
    assert limited.retry_after == timedelta(seconds=3)


def test_429_is_a_rate_limit_whatever_the_word_with_it():
    """A word that refuses orders elsewhere makes no rejection of what the limit refused; the wait asked for is kept."""
    wait = timedelta(seconds=3)
    for is_order_command in (False, True):
        limited = refusal("REQUEST_NOT_ALLOWED", status=429, retry_after=wait, is_order_command=is_order_command)
        assert type(limited) is RateLimitError
        assert limited.retry_after == wait


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (40110, "Malformed bearer token", AuthError),
        (40111, "Invalid bearer token", AuthError),
        (40300, "Permission denied", AuthError),
        (40112, "Geo IP blocked", VenueUnavailableError),
        (42901, "Rate limit exceeded", RateLimitError),
        (-32603, "Internal error", BadGatewayError),
        (-32700, "Parse error", InvalidRequestError),
        (-32600, "Invalid request", InvalidRequestError),
        (-32601, "Method not found", InvalidRequestError),
        (-32602, "Invalid method parameters", InvalidRequestError),
        (-32000, "DUPLICATED_CLIENT_ID: used before", OrderRejectedError),
        (-32000, "ORDER_ID_NOT_FOUND", OrderNotFoundError),
        (-1, "something new", UnmappedVenueError),
    ],
)
def test_a_json_rpc_error_means_what_its_code_or_its_word_says(code, message, kind):
    """A REST code inside the message says more than the number."""
    assert type(rpc_error(code, message, operation="order.create")) is kind


def test_a_region_that_is_not_served_is_told_as_one():
    """Over the socket as over REST."""
    assert "region" in str(rpc_error(40112, "Geo IP blocked", operation="order.create"))


@pytest.mark.parametrize(
    ("data", "message", "word"),
    [
        ({"error": "ORDER_ID_NOT_FOUND"}, "Application error", "ORDER_ID_NOT_FOUND"),
        ({"code": "ORDER_ID_NOT_FOUND"}, "Application error", "ORDER_ID_NOT_FOUND"),
        ("ORDER_ID_NOT_FOUND: gone", "Application error", "ORDER_ID_NOT_FOUND"),
        ({"error": "ORDER_ID_NOT_FOUND", "code": "MARKET_NOT_OPEN"}, "INVALID_SYMBOL", "ORDER_ID_NOT_FOUND"),
        ({"error": "something", "code": 7}, "ORDER_ID_NOT_FOUND : the order", "ORDER_ID_NOT_FOUND"),
        (["ORDER_ID_NOT_FOUND"], "Application error", None),
        (None, "an order, ORDER_ID_NOT_FOUND", None),
    ],
)
def test_a_rest_code_is_found_wherever_a_json_rpc_error_may_hold_it(data, message, word):
    """In the data before the message, and only as the whole word; the contract names no place."""
    error = rpc_error(-32000, message, operation="order.cancel", client_order_id="c-1", data=data)
    assert type(error) is (UnmappedVenueError if word is None else OrderNotFoundError)
    assert error.code == (word or -32000)
    assert (error.status, error.venue, error.operation, error.client_order_id) == (
        None,
        "paradex",
        "order.cancel",
        "c-1",
    )


def test_invalid_parameters_of_an_order_are_a_rejection():
    """The venue answered, and the order was not taken."""
    error = rpc_error(-32602, "bad size", operation="place_order", is_order_command=True, client_order_id="c-1")
    assert isinstance(error, OrderRejectedError)
    assert (error.reason, error.code, error.client_order_id) == (RejectReason.INVALID_ORDER, -32602, "c-1")


# Why an order was closed


_CANCELED, _REJECTED = OrderStatus.CANCELED, OrderStatus.REJECTED

CLOSED_BY = {
    (_CANCELED, None): (
        "", "USER_CANCELED", "CANCEL_ON_DISCONNECT", "CLIENT_DISCONNECTED", "Cancelled by user", "CANCELED_BY_OPERATOR",
        # Who canceled decides, whatever else is told of the order.
        "USER_CANCELED_REDUCE_ONLY", "Cancelled by user before halt", "CANCEL_ALL_OF_MARKET_BTC",
    ),
    (_CANCELED, RejectReason.OTHER): ("MMP_TRIGGERED", "MMP_DISABLED"),
    (_CANCELED, RejectReason.SELF_TRADE): (
        "SELF_TRADE", "STP_TRIGGERED", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH",
    ),
    (_CANCELED, RejectReason.MARGIN): ("ACCOUNT_LIQUIDATION",),
    (_CANCELED, RejectReason.NO_LIQUIDITY): (
        "NO_LIQUIDITY", "IOC_NOT_FULLY_FILLED", "IMMEDIATE_REMAINDER", "NO_MATCH_FOUND",
    ),
    (_CANCELED, RejectReason.MARKET_CLOSED): ("MARKET_PAUSED", "SETTLEMENT", "DELISTED", "TRADING_HALT"),
    (_REJECTED, RejectReason.MARGIN): ("NOT_ENOUGH_MARGIN", "LOW_MARGIN", "NO_COLLATERAL", "BALANCE_TOO_LOW"),
    (_REJECTED, RejectReason.POSITION_LIMIT): (
        "ORDER_EXCEEDS_POSITION_LIMIT", "POSITION_LIMIT_REACHED", "MAX_POSITION_REACHED", "OPEN_INTEREST_CAP",
    ),
    (_REJECTED, RejectReason.ORDER_LIMIT): ("ORDER_LIMIT", "MAX_ORDERS", "OPEN_ORDERS_FULL", "TOO_MANY"),
    (_REJECTED, RejectReason.POST_ONLY_WOULD_CROSS): ("POST_ONLY_WOULD_CROSS",),
    (_REJECTED, RejectReason.REDUCE_ONLY): ("REDUCE_ONLY_WILL_INCREASE",),
    (_REJECTED, RejectReason.PRICE_BAND): (
        "MAX_SLIPPAGE_EXCEEDED", "OUTSIDE_BAND", "PRICE_TOO_HIGH", "PRICE_OUT_OF_RANGE",
    ),
    (_REJECTED, RejectReason.INVALID_SIGNATURE): ("BAD_SIGNATURE",),
    (_REJECTED, RejectReason.DUPLICATE_CLIENT_ID): ("DUPLICATE", "CLIENT_ID_TAKEN"),
    (_REJECTED, RejectReason.INVALID_ORDER): (
        "ORDER_SIZE_BELOW_MIN", "WRONG_SIZE", "WRONG_PRICE", "OFF_TICK", "LOW_NOTIONAL", "INVALID", "WRONG_INCREMENT",
    ),
    (_REJECTED, RejectReason.OTHER): ("MMP_FROZEN", "MMP_GREEKS_UNAVAILABLE", "MMP_NOT_CONFIGURED"),
    (OrderStatus.EXPIRED, RejectReason.EXPIRED): ("RECV_WINDOW_PASSED", "ORDER_EXPIRED", "STALE_TIMESTAMP"),
}  # fmt: skip


@pytest.mark.parametrize(("ending", "word"), [(ending, word) for ending, words in CLOSED_BY.items() for word in words])
def test_a_reason_is_read_by_its_word_or_by_its_parts(ending, word):
    """No contract lists them, so what has no entry is judged by the words it is made of."""
    ended = closing(word)
    assert ended.status is ending[0]
    assert ended.reason is ending[1]


def test_a_reason_without_a_known_word_is_other_and_logged_once(caplog):
    """That the order is over and unfilled is certain; only the why is not."""
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert closing("WEDNESDAY").reason is RejectReason.OTHER
    (told,) = [record.getMessage() for record in caplog.records if "WEDNESDAY" in record.getMessage()]
    assert "a reason to close an order that perpkit does not know: 'WEDNESDAY'" in told


def test_every_entry_of_the_table_is_terminal():
    """A reason for closing never leaves an order standing."""
    assert all(meaning.status.is_terminal for meaning in CLOSINGS.values())
