"""The wire-contract checker: good requests pass, and each kind of bad one is named in words an author can act on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from perpkit_conformance.contract import Contract, OpenApi, overlay
from perpkit_conformance.profiles.paradex import paradex_contract

from perpkit.core.transport.recorder import Direction, FrameRecord, ReplyRecord, RequestRecord

REST, WS = "http://127.0.0.1:8080/v1", "ws://127.0.0.1:8080/v1"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TOKEN = (("Authorization", "***"),)
JSON = (*TOKEN, ("Content-Type", "application/json"))
SIGN_IN = (
    ("PARADEX-STARKNET-ACCOUNT", "0x1"),
    ("PARADEX-STARKNET-SIGNATURE", "***"),
    ("PARADEX-TIMESTAMP", "1767225600"),
)
ORDER = (
    b'{"instruction":"GTC","market":"BTC-USD-PERP","price":"50000","side":"BUY","signature":"***",'
    b'"signature_timestamp":1767225600000,"size":"0.1","type":"LIMIT","client_id":"mine"}'
)

# The account endpoint of Lighter, as far as the mistake that started this project goes: M4.
LIGHTER = {
    "paths": {
        "/api/v1/account": {
            "get": {
                "parameters": [
                    {"name": "by", "in": "query", "required": True, "schema": {"enum": ["index", "l1_address"]}},
                    {"name": "value", "in": "query", "required": True, "schema": {"type": "string"}},
                ]
            }
        }
    }
}


def request(method, path, params=(), *, headers=TOKEN, body=None, base=REST) -> RequestRecord:
    return RequestRecord(
        url=base + path,
        method=method,
        path=path,
        params=tuple(params),
        headers=tuple(headers),
        body=body,
        operation="test",
        attempt=1,
        at=NOW,
    )


def frame(data, url=WS, direction=Direction.SENT) -> FrameRecord:
    return FrameRecord(url, direction, data, NOW)


def told(*records) -> list[str]:
    return [str(each) for each in paradex_contract().check(records, rest_url=REST, ws_url=WS)]


@pytest.mark.parametrize(
    "record",
    [
        request("GET", "/markets", headers=()),
        request("GET", "/markets/summary", [("market", "ALL")], headers=()),
        request("GET", "/account"),
        request("GET", "/fills", [("market", "BTC-USD-PERP"), ("page_size", "100"), ("start_at", "1767225600000")]),
        request("GET", "/orders-history", [("side", "BUY"), ("status", "CLOSED")]),
        request("GET", "/orders/1234567890"),
        request("DELETE", "/orders/batch", headers=JSON, body=b'{"order_ids":["1"]}'),
        request("POST", "/orders", headers=JSON, body=ORDER),
        request("POST", "/orders/batch", headers=JSON, body=b"[" + ORDER + b"]"),
        request("POST", "/auth", headers=SIGN_IN),
        request("POST", "/auth/0x1234", [("token_usage", "interactive")], headers=SIGN_IN),
        frame('{"jsonrpc":"2.0","method":"auth","params":{"bearer":"***"},"id":1}'),
        frame('{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"orders.ALL"},"id":2}'),
        frame('{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"positions"},"id":2}'),
        frame(
            '{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"order_book.BTC-USD-PERP.deltas@15@50ms"},"id":3}'
        ),
        frame(
            '{"jsonrpc":"2.0","method":"unsubscribe",'
            '"params":{"channel":"order_book.BTC-USD-PERP.snapshot@15@100ms@0_1"},"id":4}'
        ),
        frame("whatever the venue sends is not judged here", direction=Direction.RECEIVED),
    ],
)
def test_what_the_contract_knows_passes(record):
    """Requests and frames as the venue documents them are no breach."""
    assert told(record) == []


def test_a_wrong_parameter_value_is_named_with_the_right_ones():
    """M4: an account asked for by 'address', on a venue that knows two other ways."""
    contract = Contract(OpenApi(LIGHTER), None, "written for this test")
    record = request("GET", "/api/v1/account", [("by", "address"), ("value", "0x1")], base="https://a.example")
    assert [str(each) for each in contract.check([record], rest_url="https://a.example", ws_url="")] == [
        "GET /api/v1/account: by='address' is not one of index, l1_address"
    ]


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/account/balances", "the contract has no such path (nearest: "),
        ("GET", "/system/health", "the contract has no such path (nearest: /system/time, /system/state"),
        ("GET", "/orders/history", "order_id='history' does not look like one"),
        ("GET", "/positions/BTC-USD-PERP", "the contract has no such path (nearest: /positions"),
        ("PATCH", "/orders", "the path takes DELETE, GET, POST, not PATCH"),
    ],
)
def test_an_endpoint_that_does_not_exist_is_named_with_the_nearest(method, path, message):
    """M6: paths that were made up, and one that hides behind a path parameter."""
    (found,) = told(request(method, path))
    assert found.startswith(f"{method} /v1{path.replace('/orders/history', '/orders/{order_id}')}: {message}")


def test_the_balance_path_is_among_the_nearest():
    """M6: the author of /account/balances is shown the path that there is."""
    assert "/balance" in told(request("GET", "/account/balances"))[0].partition("nearest: ")[2]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            request("GET", "/fills", [("order_id", "1")]),
            "GET /v1/fills: 'order_id' is not a parameter; there is asset_kind, cursor, end_at, market, page_size, "
            "start_at",
        ),
        (request("GET", "/account/margin"), "GET /v1/account/margin: market is required"),
        (
            request("GET", "/orders-history", [("page_size", "ten")]),
            "GET /v1/orders-history: page_size='ten' is not of type integer",
        ),
        (
            request("GET", "/orders-history", [("side", "LONG")]),
            "GET /v1/orders-history: side='LONG' is not one of BUY, SELL",
        ),
        (
            request("GET", "/fills", [("market", "BTC-USD-PERP"), ("market", "ETH-USD-PERP")]),
            "GET /v1/fills: 'market' is given twice",
        ),
        (request("GET", "/account", body=b"{}"), "GET /v1/account: it takes no body, and one was sent"),
        (request("POST", "/orders", headers=JSON), "POST /v1/orders: a body is required"),
        (request("POST", "/orders", headers=JSON, body=b"{"), "POST /v1/orders: the body is no JSON"),
        (
            request("POST", "/orders", body=ORDER),
            "POST /v1/orders: the body is sent as nothing in particular, not application/json",
        ),
        (
            request("POST", "/orders", headers=JSON, body=ORDER.replace(b'"BUY"', b'"LONG"')),
            "POST /v1/orders: side='LONG' is not one of BUY, SELL",
        ),
        (
            request("POST", "/orders", headers=JSON, body=ORDER.replace(b'"0.1"', b"0.1")),
            "POST /v1/orders: size=0.1 is a number, not string",
        ),
        (
            request("POST", "/orders", headers=JSON, body=ORDER.replace(b'"size":"0.1",', b"")),
            "POST /v1/orders: size is required",
        ),
        (
            request("POST", "/orders", headers=JSON, body=ORDER.replace(b"client_id", b"clientId")),
            "POST /v1/orders: clientId is not a field; there is client_id, ",
        ),
        (
            request("POST", "/orders/batch", headers=JSON, body=b"[" + ORDER.replace(b"GTC", b"FOK") + b"]"),
            "POST /v1/orders/batch: [0].instruction='FOK' is not one of ",
        ),
        (
            request("POST", "/auth", [("token_usage", "retail")], headers=SIGN_IN),
            "POST /v1/auth: token_usage='retail' is not one of interactive",
        ),
    ],
)
def test_a_wrong_request_is_told_in_words(record, message):
    """Names, types, enum values, bodies: each breach says what is wrong and what there is."""
    (found,) = told(record)
    assert found.startswith(message), found


@pytest.mark.parametrize(
    ("record", "messages"),
    [
        (request("GET", "/account", headers=()), ["it is private and needs the header Authorization"]),
        (
            request("GET", "/account", headers=(("PARADEX-STARKNET-ACCOUNT", "0x1"), *TOKEN)),
            ["the header PARADEX-STARKNET-ACCOUNT is out of place; it belongs to POST /auth"],
        ),
        (
            request("POST", "/auth", headers=SIGN_IN[:1]),
            [
                "the header PARADEX-STARKNET-SIGNATURE is required",
                "the header PARADEX-TIMESTAMP is required",
            ],
        ),
    ],
)
def test_a_header_that_is_missing_or_out_of_place_is_told(record, messages):
    """M10: the credential of one call on another, and calls without any."""
    found = told(record)
    assert len(found) == len(messages)
    for each, message in zip(found, messages, strict=True):
        assert message in each


def test_a_header_that_the_venue_wants_everywhere_is_asked_for():
    """M10: a venue that refuses whoever sends no User-Agent, which no OpenAPI document says."""
    rules = OpenApi(LIGHTER, required_headers={"User-Agent": "the venue answers 403 without"})
    record = request("GET", "/api/v1/account", [("by", "index"), ("value", "1")], base="https://a.example", headers=())
    assert [each.problem for each in rules.check(record, "https://a.example")] == [
        "the header User-Agent is required on every request: the venue answers 403 without"
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            frame('{"type":"subscribe","channels":["orders"]}'),
            'WS frame: the venue speaks JSON-RPC 2.0 ("jsonrpc", "method", "params", "id"), not {"type":"subscribe"',
        ),
        (frame("ping"), "WS frame: is no JSON"),
        (
            frame('{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"orderbook.BTC-USD-PERP"},"id":1}'),
            "WS subscribe: the contract has no channel 'orderbook.BTC-USD-PERP'; there is order_book.{market_symbol}",
        ),
        (
            frame(
                '{"jsonrpc":"2.0","method":"subscribe",'
                '"params":{"channel":"order_book.BTC-USD-PERP.deltas@15@200ms"},"id":1}'
            ),
            "WS subscribe: channel 'order_book.BTC-USD-PERP.deltas@15@200ms': refresh_rate='200ms' is not one of 50ms",
        ),
        (
            frame('{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"orders"},"id":1}'),
            "WS subscribe: the contract has no channel 'orders'; there is ",
        ),
        (
            frame('{"jsonrpc":"2.0","method":"login","params":{},"id":1}'),
            "WS login: the contract has no such method",
        ),
        (
            frame('{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"positions"}}'),
            "WS subscribe: id is missing",
        ),
        (
            frame("{}", url="ws://127.0.0.1:8080/v1/ws"),
            "WS ws://127.0.0.1:8080/v1/ws: is another place than the venue's WebSocket",
        ),
    ],
)
def test_a_wrong_frame_is_told_in_words(record, message):
    """M7 and M8: another envelope, another address, channels and methods that do not exist."""
    (found,) = told(record)
    assert found.startswith(message), found


def test_a_wrong_parameter_of_a_method_is_told_with_the_right_one():
    """The bearer sent under another name is two breaches: one too many, one missing."""
    assert told(frame('{"jsonrpc":"2.0","method":"auth","params":{"token":"***"},"id":1}')) == [
        "WS auth: params.bearer is required",
        "WS auth: params.token is not a field; there is bearer",
    ]


def test_another_host_is_a_breach():
    """M7: the right path on the wrong host is still wrong."""
    (found,) = told(request("GET", "/markets", headers=(), base="https://api.paradex.example/v1"))
    assert found.endswith(f"goes to another place than the venue's REST, which is at {REST}")


def test_what_a_recorder_hid_is_not_judged_by_its_type():
    """A redacted number is a string now; that it is there is all that can be said."""
    hidden = ORDER.replace(b"1767225600000", b'"***"')
    assert told(request("POST", "/orders", headers=JSON, body=hidden)) == []


def test_each_breach_is_told_once_and_answers_are_left_alone():
    """A mistake made in a hundred requests is one line."""
    bad = request("GET", "/nowhere")
    assert len(told(bad, bad, ReplyRecord(bad, 404, (), b"", None, NOW))) == 1


def test_an_overlay_leaves_the_contract_as_it_was():
    """Laying over merges mappings and appends to lists, in a copy."""
    below = {"paths": {"/a": {"get": {"parameters": [1]}}}}
    merged = overlay(below, {"paths": {"/a": {"get": {"parameters": [2]}}, "/b": {}}})
    assert merged == {"paths": {"/a": {"get": {"parameters": [1, 2]}}, "/b": {}}}
    assert below == {"paths": {"/a": {"get": {"parameters": [1]}}}}
