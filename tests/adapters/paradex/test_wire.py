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


@pytest.mark.parametrize(
    ("number", "read"),
    [
        ("1e60", "1" + "0" * 60),
        ("1e61", "1E+61"),
        ("1e-60", "0." + "0" * 59 + "1"),
        ("1e-61", "1E-61"),
        ("-1.50", "-1.50"),
        ("7", "7"),
        ("true", None),
    ],
)
def test_a_number_where_text_is_documented_is_written_out_up_to_sixty_places(number, read):
    """Plain digits suit every reader; beyond sixty places none means it. What is no number stays what it is."""
    raw = f'{{"market":"B","side":"LONG","size":1,"status":"OPEN","leverage":{number}}}'
    if read is None:
        with pytest.raises(DecodeError, match=r"Expected `str`, got `bool` - at `\$\.leverage`"):
            wire.read(schema.Position, raw, what="position")
    else:
        assert wire.read(schema.Position, raw, what="position").leverage == read


def test_a_whole_number_may_come_with_a_fraction_of_nothing():
    """Time in milliseconds as 5E3; but not with half a millisecond."""
    fields = '"token":"USDC","size":"1"'
    assert wire.read(schema.Balance, f'{{{fields},"last_updated_at":5E3}}', what="balance").last_updated_at == 5000
    with pytest.raises(DecodeError):
        wire.read(schema.Balance, f'{{{fields},"last_updated_at":"5000.5"}}', what="balance")


def test_blank_and_null_fields_stand_for_their_defaults_however_deep():
    """In objects, in lists, and in objects of lists; a blank in a list of texts is a text."""
    raw = (
        '{"results":[{"symbol":"B","base_currency":"B","quote_currency":"USD","settlement_currency":"USDC",'
        '"price_tick_size":1,"order_size_increment":1,"asset_kind":"PERP","open_at":null,"expiry_at":"",'
        '"fee_config":{"api_fee":{"maker_fee":null,"taker_fee":{"fee":0.0003}}}}]}'
    )
    [row] = wire.read(schema.Results[schema.Market], raw, what="markets").results
    assert (row.open_at, row.expiry_at) == (0, 0)
    assert row.fee_config.api_fee.maker_fee is None
    assert row.fee_config.api_fee.taker_fee.fee == Decimal("0.0003")
    order = (
        '{"id":"1","market":"B","side":"BUY","type":"LIMIT","size":"1","remaining_size":"1","status":"NEW",'
        '"instruction":"GTC","client_id":null,"flags":["","REDUCE_ONLY"]}'
    )
    assert wire.read(schema.Order, order, what="order").flags == ["", "REDUCE_ONLY"]


@pytest.mark.parametrize("text", ["NaN", "nan", "sNaN", "-nan", "+NaN", "Infinity", "inf", "-Inf", "+INFINITY"])
@pytest.mark.parametrize("form", [str, str.encode, lambda raw: msgspec.Raw(raw.encode())], ids=["str", "bytes", "raw"])
def test_a_number_that_is_none_is_refused_in_every_spelling_and_place(text, form):
    """Decimal reads these words in any case; the place is named."""
    raw = form(f'{{"results":[{{"token":"A","size":"1"}},{{"token":"B","size":"{text}"}}]}}')
    with pytest.raises(DecodeError) as caught:
        wire.read(schema.Results[schema.Balance], raw, what="GET /balance")
    assert caught.value.message == "GET /balance can't be read: not a finite number at $.results[1].size"
    assert (caught.value.venue, caught.value.operation) == ("paradex", "GET /balance")
    assert text in caught.value.payload


@pytest.mark.parametrize("text", [" NaN", "\\tInfinity", "\u00a0-inf", "\\u0049nfinity", "N\\u0061N", " + nan"])
def test_blanks_and_escapes_hide_no_number_that_is_none(text):
    """Decimal looks past blanks, and JSON may write a letter as its number."""
    with pytest.raises(DecodeError):
        wire.read(schema.Balance, f'{{"token":"A","size":"{text}"}}', what="balance")


@pytest.mark.parametrize("form", [str, str.encode], ids=["str", "bytes"])
@pytest.mark.parametrize(
    ("raw", "due"),
    [
        ('{"maintenance_margin_requirement":"1","request_info":{},"client_id":"x-nan"}', False),
        ('{"account":"1"}', False),
        ('{"size":"NaN"}', True),
        ('{"size":" -Infinity"}', True),
        ('{"client_id":"nancy"}', True),
        ('{"timeInForce":"GTT","info":"snan"}', True),
        ('{"timeInForce":"GTT","size":"1"}', False),
        ('{"note":"pins nan"}', False),
        ('{"note":"\u00a0 nan"}', True),
        ('{"finance":"1","size":"- sNaN"}', True),
        ('{"finance":"1","size":"nan","note":"finance"}', True),
        ('{"info":"1","size":"inf","note":"info x-info"}', True),
        ("nan", False),
        ('{"client_id":"\\u0061"}', True),
    ],
)
def test_a_closer_look_is_due_where_a_text_begins_like_no_number(raw, due, form):
    """The busiest payloads hold such words inside of longer ones, and are read once."""
    assert wire.may_hold_non_finite(form(raw)) is due


def test_words_that_look_like_no_number_are_text():
    """A name may hold them, and so may a key."""
    row = wire.read(schema.Balance, '{"token":"INF","size":"1","nan":"NaN","info":"-inf"}', what="balance")
    assert (row.token, row.size) == ("INF", 1)


def test_pairs_of_a_book_are_looked_at_too():
    """Levels are arrays in arrays."""
    raw = '{"market":"B","seq_no":1,"last_updated_at":1,"asks":[["1","2"],["3","NaN"]],"bids":[]}'
    with pytest.raises(DecodeError, match=r"not a finite number at \$\.asks\[1\]\[1\]"):
        wire.read(schema.OrderBook, raw, what="book")


def test_a_number_that_is_none_is_told_by_its_name_on_the_wire():
    """Also where a schema calls the field otherwise."""

    class Renamed(msgspec.Struct, rename="camel"):
        mark_price: Decimal

    with pytest.raises(DecodeError, match=r"not a finite number at \$\.markPrice"):
        wire.read(Renamed, '{"markPrice":"NaN"}', what="price")


def test_what_is_nested_without_end_is_an_error_of_the_venue():
    """Neither way of reading gives up with an error of Python's own."""
    deep = "[" * 100_000 + "]" * 100_000
    for raw in (f'{{"token":"A","size":"1","x":{deep}}}', f'{{"token":"A","size":null,"x":{deep}}}', deep):
        with pytest.raises(DecodeError) as caught:
            wire.read(schema.Balance, raw, what="balance")
        assert caught.value.venue == "paradex"


def test_an_error_of_the_second_reading_shows_no_secret_either():
    """Its own words hold what it found; they are cleaned too."""
    redactor = Redactor()
    redactor.add("hunter2hunter2")
    raw = '{"token":"A","size":"hunter2hunter2","last_updated_at":"hunter2hunter2"}'
    with pytest.raises(DecodeError) as caught:
        wire.read(schema.Balance, raw, what="balance", redactor=redactor)
    assert "hunter2" not in f"{caught.value} {caught.value.payload}"
    with pytest.raises(DecodeError) as caught:
        wire.read(schema.Balance, '{"token":"hunter2hunter2","size":"NaN"}', what="balance", redactor=redactor)
    assert "hunter2" not in f"{caught.value} {caught.value.payload}"
    assert caught.value.payload
    for broken in ('{"token":"hunter2hunter2",', '["hunter2hunter2", nope]'):
        with pytest.raises(DecodeError) as caught:
            wire.read(schema.Balance, broken, what="balance", redactor=redactor)
        assert "hunter2" not in f"{caught.value} {caught.value.payload}"
        assert caught.value.payload


def test_half_a_letter_is_an_error_of_the_venue():
    """A text that can't be written in UTF-8 comes from no venue, but must not end as an error of Python's own."""
    with pytest.raises(DecodeError) as caught:
        wire.read(schema.Balance, '{"token":"\ud800","size":"1"}', what="balance")
    assert caught.value.venue == "paradex"


@pytest.mark.parametrize("depth", [100, 300, 400, 450, 480, 600, 900, 5000])
def test_what_is_nested_deep_is_read_or_refused(depth):
    """Where one way of reading gives up and the other doesn't depends on the interpreter; both are an answer."""
    raw = f'{{"token":"A","size":"1","last_updated_at":null,"x":{"[" * depth}{"]" * depth}}}'
    try:
        size = wire.read(schema.Balance, raw, what="balance").size
    except DecodeError:
        size = None
    assert size == 1 or (size is None and depth > 100)


def test_nothing_in_a_list_of_texts_is_no_text():
    """Read loosely, null must not become the word None."""
    order = (
        '{"id":"1","market":"B","side":"BUY","type":"LIMIT","size":"1","remaining_size":"1","status":"NEW",'
        '"instruction":"GTC","client_id":null,"flags":[null]}'
    )
    with pytest.raises(DecodeError, match="flags"):
        wire.read(schema.Order, order, what="order")


def test_a_fraction_where_anything_may_stand_is_exact():
    """What the contract leaves open is no float either."""
    body = wire.read(schema.RpcErrorBody, '{"code":1,"data":{"price":0.1}}', what="an error")
    assert body.data == {"price": Decimal("0.1")}
    assert isinstance(body.data["price"], Decimal)
