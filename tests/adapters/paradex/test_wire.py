"""Bytes to schema types: exact, tolerant of the venue's habits, and located where it fails."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from perpkit.adapters.paradex import schema, wire
from perpkit.core.errors import DecodeError
from perpkit.core.transport.redact import Redactor


def test_integers_may_come_as_strings_and_numbers_as_either():
    """Huge ids and long decimals keep every digit."""
    row = wire.read(
        schema.Position,
        '{"market":"B","side":"LONG","size":1234567890.12345678901234567,"status":"OPEN","seq_no":"1721903808521364144",'
        '"leverage":10,"unknown":{"deep":[1]},"average_entry_price":null}',
        what="position",
    )
    assert str(row.size) == "1234567890.12345678901234567"
    assert row.seq_no == 1721903808521364144
    assert (row.leverage, row.average_entry_price) == ("10", "")


@pytest.mark.parametrize("number", ['"1e2"', "1e2", "100", '"100"', "1E+2"])
def test_a_number_is_the_same_in_every_spelling(number):
    """String, integer, fraction or exponent."""
    row = wire.read(schema.Balance, f'{{"token":"USDC","size":{number}}}', what="balance")
    assert row.size == Decimal(100)


def test_a_number_with_an_absurd_exponent_costs_nothing():
    """Written out it would have a thousand million digits."""
    row = wire.read(
        schema.Position, '{"market":"B","side":"LONG","size":1,"status":"OPEN","leverage":1e999999999}', what="p"
    )
    assert row.leverage == "1E+999999999"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ('{"token":"USDC"}', "size"),
        ('{"token":"USDC","size":""}', "size"),
        ('{"token":"USDC","size":null}', "size"),
        ('{"token":"USDC","size":"abc"}', "size"),
        ('{"token":"USDC","size":{}}', "size"),
        ('{"token":"USDC","size":"NaN"}', "size"),
        ('{"token":"USDC","size":"-Infinity"}', "size"),
        ("[1]", "array"),
        ('{"token":', "truncated"),
        ("<html>", "malformed"),
        ("", "truncated"),
        (b"\xff\xfe", "balance"),
    ],
)
def test_what_can_t_be_read_is_an_error_with_its_place(raw, words):
    """A missing field is an error; never a zero."""
    with pytest.raises(DecodeError) as caught:
        wire.read(schema.Balance, raw, what="balance")
    assert words in str(caught.value)
    assert caught.value.operation == "balance"


def test_an_error_shows_an_excerpt_without_secrets():
    """The payload may hold a token."""
    redactor = Redactor()
    redactor.add("hunter2hunter2")
    with pytest.raises(DecodeError) as caught:
        wire.read(schema.Auth, '{"token":"hunter2hunter2"}', what="POST /auth", redactor=redactor)
    assert "hunter2" not in str(caught.value) + str(caught.value.payload)
    assert caught.value.payload


def test_a_raw_part_is_read_like_a_whole():
    """Rows of a page are read one by one, so that one bad row spoils no other."""
    page = wire.read(schema.Results[msgspec.Raw], '{"results":[{"token":"A","size":"1"},{"token":"B"}]}', what="page")
    assert wire.read(schema.Balance, page.results[0], what="row").size == 1
    with pytest.raises(DecodeError):
        wire.read(schema.Balance, page.results[1], what="row")
