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


@pytest.mark.parametrize(
    ("code", "for_reads", "for_orders", "reason"),
    [
        ("VALIDATION_ERROR", InvalidRequestError, OrderRejectedError, RejectReason.INVALID_ORDER),
        ("DUPLICATED_CLIENT_ID", OrderRejectedError, OrderRejectedError, RejectReason.DUPLICATE_CLIENT_ID),
        ("INVALID_ORDER_SIGNATURE", OrderRejectedError, OrderRejectedError, RejectReason.INVALID_SIGNATURE),
        ("STARKNET_SIGNATURE_VERIFICATION_FAILED", AuthError, OrderRejectedError, RejectReason.INVALID_SIGNATURE),
        ("MARKET_NOT_OPEN", OrderRejectedError, OrderRejectedError, RejectReason.MARKET_CLOSED),
        ("MARKET_NOT_FOUND", UnknownMarketError, UnknownMarketError, None),
        ("ORDER_ID_NOT_FOUND", OrderNotFoundError, OrderNotFoundError, None),
        ("ORDER_IS_CLOSED", OrderNotFoundError, OrderNotFoundError, None),
        ("UNAUTHORIZED_ERROR", AuthError, AuthError, None),
        ("INVALID_TOKEN", AuthError, AuthError, None),
        ("SYSTEM_STATUS_CANCEL_ONLY", VenueUnavailableError, VenueUnavailableError, None),
        ("SERVICE_UNAVAILABLE", VenueUnavailableError, VenueUnavailableError, None),
        ("GEO_IP_BLOCK", VenueUnavailableError, VenueUnavailableError, None),
        ("INTERNAL_ERROR", BadGatewayError, BadGatewayError, None),
        ("A_CODE_OF_TOMORROW", UnmappedVenueError, UnmappedVenueError, None),
    ],
)
def test_the_class_says_what_may_be_done_next(code, for_reads, for_orders, reason):
    """A refusal of an order is a rejection; an internal error proves nothing and is none."""
    assert type(refusal(code)) is for_reads
    order = refusal(code, is_order_command=True)
    assert type(order) is for_orders
    if reason is not None:
        assert order.reason is reason


def test_an_unknown_code_is_told_by_its_status_where_that_says_enough():
    """401 and 429 mean the same whatever the word."""
    assert isinstance(refusal("X", status=401), AuthError)
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
        (-32602, "Invalid method parameters", InvalidRequestError),
        (-32000, "DUPLICATED_CLIENT_ID: used before", OrderRejectedError),
        (-32000, "ORDER_ID_NOT_FOUND", OrderNotFoundError),
        (-1, "something new", UnmappedVenueError),
    ],
)
def test_a_json_rpc_error_means_what_its_code_or_its_word_says(code, message, kind):
    """A REST code inside the message says more than the number."""
    assert type(rpc_error(code, message, operation="order.create")) is kind


def test_invalid_parameters_of_an_order_are_a_rejection():
    """The venue answered, and the order was not taken."""
    error = rpc_error(-32602, "bad size", operation="place_order", is_order_command=True, client_order_id="c-1")
    assert isinstance(error, OrderRejectedError)
    assert (error.reason, error.code, error.client_order_id) == (RejectReason.INVALID_ORDER, -32602, "c-1")


# Why an order was closed


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("NOT_ENOUGH_MARGIN", OrderStatus.REJECTED, RejectReason.MARGIN),
        ("USER_CANCELED", OrderStatus.CANCELED, None),
        ("ORDER_EXCEEDS_POSITION_LIMIT", OrderStatus.REJECTED, RejectReason.POSITION_LIMIT),
        ("POST_ONLY_WOULD_CROSS", OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
        ("REDUCE_ONLY_WILL_INCREASE", OrderStatus.REJECTED, RejectReason.REDUCE_ONLY),
        ("IOC_NOT_FULLY_FILLED", OrderStatus.CANCELED, RejectReason.NO_LIQUIDITY),
        ("SELF_TRADE", OrderStatus.CANCELED, RejectReason.SELF_TRADE),
        ("CANCEL_ON_DISCONNECT", OrderStatus.CANCELED, None),
        ("Cancelled by user", OrderStatus.CANCELED, None),
        ("MAX_SLIPPAGE_EXCEEDED", OrderStatus.REJECTED, RejectReason.PRICE_BAND),
        ("INVALID_TICK", OrderStatus.REJECTED, RejectReason.INVALID_ORDER),
        ("RECV_WINDOW_PASSED", OrderStatus.EXPIRED, RejectReason.EXPIRED),
        ("", OrderStatus.CANCELED, None),
    ],
)
def test_a_reason_is_read_by_its_word_or_by_its_parts(word, status, reason):
    """No contract lists them, so what has no entry is judged by the words it is made of."""
    ended = closing(word)
    assert (ended.status, ended.reason) == (status, reason)


def test_a_reason_without_a_known_word_is_other_and_logged_once(caplog):
    """That the order is over and unfilled is certain; only the why is not."""
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert closing("WEDNESDAY").reason is RejectReason.OTHER
    assert len([record for record in caplog.records if "WEDNESDAY" in record.getMessage()]) == 1


def test_every_entry_of_the_table_is_terminal():
    """A reason for closing never leaves an order standing."""
    assert all(meaning.status.is_terminal for meaning in CLOSINGS.values())
