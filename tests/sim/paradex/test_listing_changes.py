"""The listing follows the exchange: new markets and changed rules show in the rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from perpkit.sim.venues.paradex import LocalParadex

D = Decimal


def test_an_unchanged_listing_is_told_as_it_was_given() -> None:
    """Nothing that the exchange doesn't know is lost from the rows."""
    venue = LocalParadex(accounts=0).venue
    before = dict(venue.listings)
    venue.exchange.set_funding_rate("BTC-USD-PERP", D("0.0007"))
    assert venue.listings == before


def test_changed_rules_show_in_the_row() -> None:
    """A new tick and new fees are told; the rest of the row stays."""
    local = LocalParadex(accounts=0)
    before = local.venue.listings["ETH-USD-PERP"].row()
    local.control.change_market("ETH-USD-PERP", tick_size=D("0.05"))
    assert local.venue.listings["ETH-USD-PERP"].row() == {**before, "price_tick_size": "0.05"}


def test_a_new_market_is_listed_and_found() -> None:
    """A market that was listed later has a row like the others."""
    local = LocalParadex(accounts=0)
    spec = local.control.list_market("1INCH", like="BTC-USD-PERP", index_price=D("0.4"))
    assert spec.symbol == "1INCH-USD-PERP"
    row = local.venue.listing("1INCH-USD-PERP").row()
    assert (row["base_currency"], row["asset_kind"], row["price_tick_size"]) == ("1INCH", "PERP", "0.1")


def test_a_changed_period_shows_and_changes_what_accrues() -> None:
    """Half the period, and the same rate accrues twice as fast."""
    local = LocalParadex(accounts=0)
    control, exchange = local.control, local.exchange
    control.advance(timedelta(hours=1))
    first = exchange.funding("BTC-USD-PERP").funding_index
    control.set_funding_period("BTC-USD-PERP", timedelta(hours=4))
    control.advance(timedelta(hours=1))
    # 100,000 at 0.0001 for 8 hours is 1.25 an hour; for 4 hours 2.5.
    assert first == D("1.25")
    assert exchange.funding("BTC-USD-PERP").funding_index == first + D("2.5")
    assert local.venue.listings["BTC-USD-PERP"].row()["funding_period_hours"] == 4
