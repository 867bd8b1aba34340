"""How values and tables look: no digit lost, nothing cut, nothing secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from perpkit.cli import render
from perpkit.cli.tables import Listing, show_table
from perpkit.core.models import FundingKind

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def printed(table: Listing, width: int) -> str:
    """Return a table as it is printed at a width."""
    console = Console(width=width)
    with console.capture() as capture:
        show_table(table, console)
    return capture.get()


def wide_table() -> Listing:
    """Return a table that needs 45 columns or so, of which two may go."""
    table = Listing("heading", "market", ">first?", ">price", ">last?")
    table.row("BTC-USD-PERP", Decimal("1234567.5"), Decimal("0.00000001"), Decimal("7654321.25"))
    return table


def test_a_table_that_fits_is_whole():
    """Nothing is left out, and nothing is said of it."""
    text = printed(wide_table(), 100)
    for words in ("heading", "first", "last", "1234567.5", "7654321.25", "0.00000001"):
        assert words in text
    assert "left out" not in text


def test_a_table_too_wide_leaves_out_what_it_may_from_the_right_and_says_so():
    """Columns go whole, so that no number is cut."""
    text = printed(wide_table(), 45)
    assert "(left out for want of width: last)" in text
    assert "1234567.5" in text
    assert "7654321.25" not in text
    text = printed(wide_table(), 30)
    assert "(left out for want of width: first, last)" in text
    assert "0.00000001" in text


def test_an_impossible_width_folds_and_never_cuts():
    """Every digit is there, on more lines."""
    text = printed(wide_table(), 14)
    assert "…" not in text
    cells = [line.split() for line in text.splitlines()]
    assert "0.00000001" in "".join(cell[-1] for cell in cells if cell and set(cell[-1]) <= set("0123456789."))


def test_an_empty_table_says_none():
    """Headers over nothing look like a failure."""
    assert printed(Listing("heading", "market"), 80).split() == ["heading", "none"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1234567.891"), "1,234,567.89"),
        (Decimal("-0.5"), "-0.50"),
        (Decimal(0), "0.00"),
        (Decimal("-0.000347"), "-0.000347"),
        (Decimal("0.0000000412"), "0.0000000412"),
        (None, "-"),
    ],
)
def test_money_is_readable_and_small_amounts_do_not_read_as_nothing(value: Decimal | None, shown: str):
    """Two places, or as many as it takes."""
    assert render.money(value) == shown


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [
        ("0.0001", "+0.0100%"),
        ("-0.00005", "-0.0050%"),
        ("0", "0%"),
        ("0.00000001", "+0.00000100%"),
        ("1.5", "+150.0000%"),
    ],
)
def test_percentages_keep_their_sign_and_size(fraction: str, shown: str):
    """A rebate is negative, a tiny rate is not zero."""
    assert render.percent(Decimal(fraction)) == shown


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (timedelta(hours=8), "8h"),
        (timedelta(hours=24), "24h"),
        (timedelta(days=2), "2d"),
        (timedelta(minutes=15), "15m"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=90), "90s"),
        (timedelta(milliseconds=250), "250ms"),
        (timedelta(seconds=2, microseconds=860_970), "2.861s"),
    ],
)
def test_durations_use_their_largest_whole_unit(length: timedelta, shown: str):
    """A funding period of a day is spoken of as 24 hours."""
    assert render.duration(length) == shown


def test_json_has_exact_numbers_utc_times_and_whole_milliseconds():
    """What a script reads: strings for Decimals, Z for UTC, `_ms` on lengths of time, sorted sets."""
    value = {
        "amount": Decimal("0.10"),
        "tiny": Decimal("1E-8"),
        "at": NOW,
        "period": timedelta(hours=8),
        "kind": FundingKind.SETTLED,
        "names": frozenset({"b", "a"}),
        "nothing": None,
    }
    assert render.json_text(value) == (
        '{"amount":"0.10","tiny":"0.00000001","at":"2026-11-01T12:00:00Z","period_ms":28800000,'
        '"kind":"settled","names":["a","b"],"nothing":null}'
    )


@pytest.mark.parametrize(
    "name", ["PARADEX_PRIVATE_KEY", "PARADEX_SUBKEY", "X_READONLY_TOKEN", "API_SECRET", "db_password"]
)
def test_values_of_secret_variables_are_hidden(name: str):
    """Whatever prints them."""
    hiding = render.redactor({name: " 0xabcdef123456 "})
    assert "abcdef123456" not in hiding.text("key 0xabcdef123456 was refused")
    assert "abcdef123456" not in hiding.text("key ABCDEF123456 was refused")


def test_ordinary_variables_are_not_hidden():
    """An account's address is no secret, and neither is a path."""
    hiding = render.redactor({"PARADEX_ACCOUNT": "0x1234567890", "MONKEY": "banana-banana"})
    assert hiding.text("0x1234567890 banana-banana") == "0x1234567890 banana-banana"
