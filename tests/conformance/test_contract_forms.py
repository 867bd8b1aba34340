"""The wire-contract checker for venues with forms, with streams by address and with typed messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from perpkit_conformance.contract import Contract, EmbeddedJson, JsonMessages, OpenApi, UrlStreams

from perpkit.core.transport.recorder import Direction, FrameRecord, RequestRecord

REST, WS = "http://127.0.0.1:8080", "ws://127.0.0.1:8080/stream"
NOW = datetime(2026, 11, 1, tzinfo=UTC)

# As Lighter's sendTx and sendTxBatch, as far as these tests go.
SEND = {"type": "object", "properties": {"tx_type": {"type": "integer"}, "tx_info": {"type": "string"}}}
MANY = {"type": "object", "properties": {"tx_types": {"type": "string"}, "tx_infos": {"type": "string"}}}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
CANCEL = {"type": "object", "required": ["Index", "Sig"], "properties": {"Index": {"type": "integer"}, "Sig": {}}}
DOCUMENT = {
    "paths": {
        path: {"post": {"requestBody": {"required": True, "content": {form: {"schema": schema} for form in FORMS}}}}
        for path, schema in (("/api/v1/sendTx", {**SEND, "required": ["tx_type", "tx_info"]}), ("/api/v1/many", MANY))
    }
    | {
        "/markets": {
            "get": {
                "parameters": [
                    {"name": "market", "in": "query", "schema": {"type": "array", "items": {"enum": ["BTC", "ETH"]}}},
                    {
                        "name": "ids",
                        "in": "query",
                        "explode": False,
                        "schema": {"type": "array", "items": {"type": "integer"}},
                    },
                ]
            }
        }
    }
}
CONTRACT = Contract(
    OpenApi(
        DOCUMENT,
        embedded={
            "tx_info": EmbeddedJson({"15": CANCEL}, by="tx_type"),
            "tx_infos": EmbeddedJson({"15": CANCEL}, by="tx_types", many=True),
        },
    ),
    frames=JsonMessages(
        messages={
            "subscribe": {
                "type": "object",
                "required": ["channel"],
                "properties": {"type": {}, "channel": {"type": "string"}, "auth": {"type": "string"}},
            },
            "pong": {"type": "object", "properties": {"type": {}}},
        },
        channels=("order_book/{market}", "account_orders/{market}/{account}"),
        identifiers={"market": r"\d+", "account": r"\d+"},
        queries={"readonly": ("true",)},
    ),
    source="test",
)
STREAMS = UrlStreams(
    {"/orderbooks/{market}": {"depth": ("1",)}, "/account": {}}, identifiers={"market": "[A-Z]+-USD"}, answers=("pong",)
)


def told(path: str, body: bytes | None, kind: str = FORMS[0], *, method: str = "POST", params=()) -> list[str]:
    headers = (("Content-Type", kind),) if body is not None else ()
    record = RequestRecord(REST + path, method, path, tuple(params), headers, body, "test", 1, NOW)
    return [str(each) for each in CONTRACT.check([record], rest_url=REST, ws_url=WS)]


def framed(data: str, url: str = WS) -> list[str]:
    record = FrameRecord(url, Direction.SENT, data, NOW)
    return [str(each) for each in CONTRACT.check([record], rest_url=REST, ws_url=WS)]


def multipart(**fields: str) -> bytes:
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    return "".join((*parts, "--x--\r\n")).encode()


GOOD = b"tx_type=15&tx_info=%7B%22Index%22%3A7%2C%22Sig%22%3A%22***%22%7D"


def test_a_good_form_passes_in_both_encodings():
    """What the contract lists is no breach: a number as text, and JSON in a field of its own form."""
    assert told("/api/v1/sendTx", GOOD) == []
    body = multipart(tx_type="15", tx_info='{"Index":7,"Sig":"***"}')
    assert told("/api/v1/sendTx", body, "multipart/form-data; boundary=x") == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"tx_type=15", "tx_info is required"),
        (GOOD.replace(b"tx_type=15", b"tx_type=fifteen"), "tx_type='fifteen' is not of type integer"),
        (GOOD + b"&fee=1", "fee is not a field; there is tx_type, tx_info"),
        (GOOD + b"&tx_type=15", "'tx_type' is given twice"),
        (GOOD.replace(b"15", b"99"), "tx_type=99 has no form for tx_info; there is 15"),
        (GOOD.replace(b"Index", b"Order"), "tx_info.Index is required"),
        (GOOD.replace(b"%7D", b""), "tx_info holds no JSON: Input data was truncated"),
    ],
)
def test_each_mistake_in_a_form_is_named(body, problem):
    """By the field, also by one within the JSON that a field holds."""
    assert f"POST /api/v1/sendTx: {problem}" in told("/api/v1/sendTx", body)


def test_a_form_sent_as_json_is_told_what_it_should_be():
    """The content types of the contract are named."""
    found = told("/api/v1/sendTx", b"{}", "application/json")
    assert found[0] == f"POST /api/v1/sendTx: the body is sent as application/json, not {' or '.join(FORMS)}"


def test_each_of_a_batch_is_held_against_its_own_form():
    """Lists of texts that are JSON, one beside the other."""
    good = r'tx_types=[15,15]&tx_infos=["{\"Index\":1,\"Sig\":\"s\"}","{\"Index\":2,\"Sig\":\"s\"}"]'
    assert told("/api/v1/many", good.encode()) == []
    assert told("/api/v1/many", good.replace("2", '\\"2\\"').encode()) == [
        "POST /api/v1/many: tx_infos[1].Index='2' is a string, not integer"
    ]
    assert told("/api/v1/many", good.replace("[15,15]", "[15]").encode()) == [
        "POST /api/v1/many: tx_infos has 2 entries, and tx_types has 1"
    ]


def test_each_of_a_list_in_the_query_is_looked_at():
    """A list repeats its name, or is written with commas where the contract says so."""
    good = (("market", "BTC"), ("market", "ETH"), ("ids", "1,2"))
    assert told("/markets", None, method="GET", params=good) == []
    bad = (("market", "BTC"), ("market", "DOGE"), ("ids", "1,two"))
    assert told("/markets", None, method="GET", params=bad) == [
        "GET /markets: market='DOGE' is not one of BTC, ETH",
        "GET /markets: ids='two' is not of type integer",
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ('{"type":"subscribe","channel":"order_book:0"}', "WS subscribe: the venue has no channel 'order_book:0'"),
        ('{"type":"subscribe","channel":"order_book/BTC"}', "WS subscribe: the venue has no channel 'order_book/BTC'"),
        ('{"type":"subscribe","channels":["order_book/0"]}', "WS subscribe: channel is required"),
        ('{"type":"subscribes","channel":"order_book/0"}', "WS subscribes: the venue knows no such message (nearest"),
        ('{"op":"subscribe"}', "WS frame: a message is an object with 'type'"),
        ("subscribe", "WS frame: is no JSON"),
    ],
)
def test_each_mistake_in_a_message_is_named(data, problem):
    """M8: the wrong name, the wrong form of a channel, an unknown type."""
    assert any(each.startswith(problem) for each in framed(data)), framed(data)


def test_good_messages_pass():
    """Subscribing with and without credentials, and the answer to a ping; the address may have its parameter."""
    assert framed('{"type":"subscribe","channel":"account_orders/0/12","auth":"***"}') == []
    assert framed('{"type":"pong"}', f"{WS}?readonly=true") == []
    assert framed('{"type":"pong"}', f"{WS}?readonly=yes") == ["WS /stream: readonly='yes' is not one of true"]
    assert framed('{"type":"pong"}', "ws://127.0.0.1:8080/ws")[0].endswith(f"WebSocket, which is at {WS}")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"{WS}/orderbooks/BTC-USD?depth=1", None),
        (f"{WS}/account", None),
        (f"{WS}/orderbooks/BTC-USD?depth=5", "WS /orderbooks/{market}: depth='5' is not one of 1"),
        (f"{WS}/orderbooks/btc", "WS /orderbooks/btc: the venue has no such stream (nearest: /orderbooks/{market})"),
        ("ws://stream.example/v1/account", "WS ws://stream.example/v1/account: is another place than"),
    ],
)
def test_an_address_that_is_a_subscription_is_held_against_the_venues(url, problem):
    """M7: the wrong host, the wrong path, a parameter that does not exist; the handshake is enough to see it."""
    contract = Contract(None, STREAMS, "test")
    found = [str(each) for each in contract.check([], rest_url=REST, ws_url=WS, connections=[url])]
    assert found == [] if problem is None else found[0].startswith(problem), found


def test_nothing_is_sent_where_the_address_is_the_subscription():
    """M8 the other way round: a subscribe message to a venue that reads none; an answer to a ping may be sent."""
    url = f"{WS}/account"
    assert STREAMS.check(FrameRecord(url, Direction.SENT, "pong", NOW), WS) == []
    (found,) = STREAMS.check(FrameRecord(url, Direction.SENT, '{"method":"subscribe"}', NOW), WS)
    assert str(found).startswith("WS frame: nothing is sent here, the address is the subscription")
