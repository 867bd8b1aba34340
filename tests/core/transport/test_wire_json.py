"""JSON in and out: exact, located, without secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.core.errors import DecodeError
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.wire_json import decimal_text, decode, dumps


class Level(msgspec.Struct):
    price: Decimal
    size: Decimal


class Book(msgspec.Struct, rename="camel"):
    seq_no: int
    best_bid: Level
    rest: list[Level] = []
    extra: Any = None


class Deep(msgspec.Struct):
    rows: dict[str, list[float | None]]


class Outer(msgspec.Struct):
    deep: Deep | None
    again: list[Outer] = []


class Side(StrEnum):
    BUY = "BUY"


@pytest.mark.parametrize(
    ("raw", "digits"),
    [
        (b'{"price":1234567890.12345678901234567,"size":"0"}', "1234567890.12345678901234567"),
        (b'{"price":"1234567890.12345678901234567","size":0}', "1234567890.12345678901234567"),
        (b'{"price":0.10,"size":"0"}', "0.10"),
        (b'{"price":9007199254740993,"size":"0"}', "9007199254740993"),
        (b'{"price":1e-8,"size":"0"}', "1E-8"),
        (b'{"price":-0.000000000000000001,"size":"0"}', "-1E-18"),
    ],
)
def test_every_digit_of_a_number_or_a_string_survives(raw: bytes, digits: str) -> None:
    """Decimals are exact, trailing zeros included, whichever way the wire writes them."""
    assert str(decode(Level, raw, what="level").price) == digits


def test_what_a_schema_leaves_open_is_exact_too() -> None:
    """Numbers in untyped parts become Decimals and whole numbers, never floats."""
    value = decode(Any, b'{"a":[1.10,2,123456789012345678901234567890]}', what="anything")
    assert value == {"a": [Decimal("1.10"), 2, 123456789012345678901234567890]}
    assert [type(item) for item in value["a"]] == [Decimal, int, int]
    book = decode(Book, b'{"seqNo":1,"bestBid":{"price":1,"size":1},"extra":{"x":0.1}}', what="book")
    assert book.extra == {"x": Decimal("0.1")}


def test_a_schema_with_a_float_is_refused() -> None:
    """A float field would lose digits quietly, so the schema itself is the error, wherever the field sits."""
    with pytest.raises(TypeError, match=r"holds a float at Outer\.deep"):
        decode(Outer, b"{}", what="x")


def test_an_unknown_field_is_ignored_and_a_missing_one_is_located() -> None:
    """The venue may add fields; one it leaves out is an error that says where."""
    raw = b'{"seqNo":1,"bestBid":{"price":"1","size":"2","new":true},"newer":[]}'
    assert decode(Book, raw, what="book") == Book(1, Level(Decimal(1), Decimal(2)))
    with pytest.raises(DecodeError, match=r"missing required field `size` - at `\$\.bestBid`") as caught:
        decode(Book, b'{"seqNo":1,"bestBid":{"price":"1"}}', what="channel book", venue="paradex")
    assert caught.value.venue == "paradex"
    assert caught.value.operation == "channel book"
    assert caught.value.payload == '{"seqNo":1,"bestBid":{"price":"1"}}'
    assert "an object with price" in str(caught.value)


def test_a_wrong_value_is_shown_where_it_stands() -> None:
    """The message names the path and what the wire holds there."""
    raw = b'{"seqNo":1,"bestBid":{"price":"1","size":"2"},"rest":[{"price":"1","size":""}]}'
    with pytest.raises(DecodeError, match=r"at `\$\.rest\[0\]\.size`; there it says \"\""):
        decode(Book, raw, what="book")


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", b"\xff\xfe", b'{"price":"1","size":"\xff"}', b'{"price":1', b"[" * 100_000,
     b'{"price":1,"size":1}x',
     b"null", b'{"price":true,"size":1}', b'{"price":null,"size":1}', b'{"price":NaN,"size":1}'],
)  # fmt: skip
def test_whatever_can_not_be_read_is_a_decode_error(raw: bytes) -> None:
    """Truncated, foreign, badly encoded or absurdly nested input ends in the one error."""
    with pytest.raises(DecodeError, match="GET /level can't be read"):
        decode(Level, raw, what="GET /level")


@pytest.mark.parametrize(
    "text", ["NaN", "nan", "sNaN", "-NaN123", "Infinity", "-infinity", "inf", "INF", " NaN", r"\u0049nf"]
)
def test_a_number_that_is_none_is_refused_with_its_place(text: str) -> None:
    """NaN passes every comparison as false; it is stopped at the door, in bytes and in text."""
    raw = f'{{"seqNo":1,"bestBid":{{"price":"1","size":"1"}},"rest":[{{"price":"1","size":"{text}"}}]}}'
    for form in (raw, raw.encode()):
        with pytest.raises(DecodeError, match=r"not a finite number - at `\$\.rest\[0\]\.size`"):
            decode(Book, form, what="book")


def test_a_name_that_only_looks_like_nan_is_a_name() -> None:
    """FINANCE and INF may be asset codes."""
    assert decode(dict[str, str], b'{"NAN":"FINANCE","a":"INF"}', what="names") == {"NAN": "FINANCE", "a": "INF"}


def test_an_error_shows_no_registered_secret() -> None:
    """Neither the message nor the excerpt holds a key, even if the wrong value is the key."""
    redactor = Redactor()
    redactor.add("0xfeedfacecafebeef1234")
    with pytest.raises(DecodeError) as caught:
        decode(Level, b'{"price":"feedfacecafebeef1234","size":"1","jwt_token":"short"}', what="x", redactor=redactor)
    shown = f"{caught.value} {caught.value.payload}"
    assert "feedface" not in shown
    assert '"short"' not in shown


def test_a_long_payload_is_shown_around_the_fault() -> None:
    """The excerpt is short and lies where the syntax breaks."""
    raw = b'{"price":"1","pad":"' + b"a" * 5000 + b'" ! ' + b"b" * 5000
    with pytest.raises(DecodeError) as caught:
        decode(Level, raw, what="x")
    assert caught.value.payload is not None
    assert " ! " in caught.value.payload
    assert len(caught.value.payload) <= 302


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E-8", "0.00000001"), ("1E+5", "100000"), ("-0", "0"), ("-0.00", "0.00"), ("0E-8", "0.00000000"),
     ("1.10", "1.10"),
     ("-12.5", "-12.5"), ("123456789012345678901234567890.123", "123456789012345678901234567890.123")],
)  # fmt: skip
def test_a_decimal_is_written_in_plain_digits(value: str, text: str) -> None:
    """No exponent, no negative zero, no digit lost."""
    assert decimal_text(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=18))
def test_written_and_read_again_is_the_same_number(value: Decimal) -> None:
    """Both spellings come back digit for digit."""
    plain = {"price": value, "size": value}
    for decimals in ("string", "number"):
        level = decode(Level, dumps(plain, decimals=decimals), what="level")
        assert level.price == value
        assert decimal_text(level.price) == decimal_text(value)


def test_what_is_written_is_compact_and_keeps_its_order() -> None:
    """Dicts, structs, enums and lists have one spelling; the order of the fields is the caller's."""
    value = {"z": Side.BUY, "a": [True, None, 3, Decimal("1E-8")], "s": Level(Decimal("1.50"), Decimal(2)), "t": 'q"é'}
    assert dumps(value) == (
        '{"z":"BUY","a":[true,null,3,"0.00000001"],"s":{"price":"1.50","size":"2"},"t":"q\\"é"}'.encode()
    )
    assert dumps({"n": Decimal("1E-8")}, decimals="number") == b'{"n":0.00000001}'
    assert dumps(10**30) == b"1" + b"0" * 30


def test_a_struct_is_written_as_its_schema_says() -> None:
    """Renamed fields, tags, unset fields and omitted defaults come out as msgspec itself would write them."""

    class Order(msgspec.Struct, rename="camel", tag="order", omit_defaults=True):
        client_id: str
        note: str | None = None
        flags: str | msgspec.UnsetType = msgspec.UNSET

    for order in (Order("a"), Order("a", note="n"), Order("a", flags="f")):
        assert dumps(order) == msgspec.json.encode(order)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ({"a": [1, {"b": 0.1}]}, r"\$\.a\[1\]\.b: a float has no one spelling"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, r"\$\.at: a datetime"),
        (b"x", r"\$: a bytes"),
        ({1: "x"}, r"\$: the key 1 is int"),
        ({"a": {1, 2}}, r"\$\.a: a set"),
    ],
)
def test_what_has_no_one_spelling_is_refused_by_its_place(value: Any, match: str) -> None:
    """A float, a date or raw bytes would be written in a way that nobody chose."""
    with pytest.raises(TypeError, match=match):
        dumps(value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1E+999999", "1E-999999"])
def test_a_number_without_plain_digits_is_not_written(text: str) -> None:
    """Neither NaN nor a number that would take a million zeros goes out."""
    with pytest.raises(ValueError, match=r"\$\.p: .* has no plain digits"):
        dumps({"p": Decimal(text)})
