"""The listings: venues, markets, funding, account, book; as tables and as JSON."""

from __future__ import annotations

import json
from decimal import Decimal

from tests.cli.conftest import Run
from tests.cli.toy import ToyVenue


def test_venues_lists_the_good_plugin_and_says_why_the_other_is_broken(run: Run):
    """A broken plugin harms no other, and makes the exit code 1."""
    result = run("venues")
    assert result.exit_code == 1
    assert "testnet, mainnet" in result.stdout
    assert "broken: ModuleNotFoundError" in result.stdout


def test_venues_v_shows_what_each_can_do(run: Run):
    """Hooks that are there, hooks that are not, and limits with their source."""
    shown = run("venues", "-v").stdout
    assert "fetch_order_book" in shown
    assert "amend_order" in shown  # among those that it lacks
    assert "1500 in 1m for each ip (the toy's box)" in shown


def test_a_plugin_that_breaks_when_it_is_made_is_reported(run: Run):
    """Whatever it raises; the others are still listed, and the check of it is one finding."""
    assert "broken: RuntimeError: no luck" in run("venues").stdout
    result = run("check", "unlucky")
    assert result.exit_code == 1
    assert "FAIL plugin" in result.stdout
    assert "RuntimeError: no luck" in result.stdout


def test_venues_json_has_stable_keys(run: Run):
    """Capabilities are lists of names, durations whole milliseconds."""
    toy, _, wreck = json.loads(run("venues", "--json").stdout)["venues"]
    assert toy["name"] == "toy"
    assert toy["error"] is None
    assert toy["capabilities"]["order_types"] == ["limit", "market"]
    assert toy["capabilities"]["never_accepted_after_ms"] == 300_000
    assert "place_order" in toy["capabilities"]["hooks"]
    assert wreck["capabilities"] is None
    assert "no_such_module" in wreck["error"]


def test_markets_leaves_settled_ones_out_unless_asked(run: Run):
    """--all shows them."""
    assert "LUNA" not in run("markets", "toy").stdout
    assert "LUNA" in run("markets", "toy", "--all").stdout


def test_markets_search_ignores_case(run: Run):
    """A part of the name will do."""
    shown = run("markets", "toy", "--search", "pepe").stdout
    assert "kPEPE-USD-PERP" in shown
    assert "BTC" not in shown


def test_a_search_without_a_match_says_so(run: Run):
    """An empty table alone would look like a failure."""
    result = run("markets", "toy", "--search", "nothing")
    assert result.exit_code == 0
    assert "none of 4 markets matches" in result.stderr


def test_markets_shows_small_ticks_in_plain_digits(run: Run):
    """No exponent, and a rebate keeps its sign."""
    shown = run("markets", "toy", "--search", "BTC").stdout
    assert "0.00000001" in shown
    assert "-0.0050%" in shown
    assert "+0.0300%" in shown
    assert "8h continuous" in shown


def test_markets_json_writes_decimals_as_strings(run: Run):
    """Exact digits, the venue and environment beside them."""
    answer = json.loads(run("markets", "toy", "-e", "mainnet", "--search", "btc", "--json").stdout)
    [btc] = answer["markets"]
    assert (answer["venue"], answer["environment"]) == ("toy", "mainnet")
    assert btc["id"] == "BTC-USD-PERP@toy"
    assert btc["tick_size"] == "0.00000001"
    assert btc["maker_fee"] == "-0.00005"
    assert btc["funding_interval_ms"] == 28_800_000
    assert btc["min_size"] is None
    assert btc["instrument"]["base"] == "BTC"
    assert btc["ccxt_symbol"] == "BTC/USD:USDC"


def test_funding_rates_are_sorted_by_size_and_keep_the_raw_figure(run: Run):
    """-0.0008 for 8 h and 0.0001 for 1 h are the same size per hour: name decides; then the small one."""
    shown = run("funding", "rates", "toy").stdout
    rows = [line for line in shown.splitlines() if "@toy" in line]
    assert ["BTC" in rows[0], "ETH" in rows[1], "kPEPE" in rows[2]] == [True, True, True]
    assert "+0.0001" in rows[0]
    assert "+0.010000%" in rows[0]
    assert "+87.60%" in rows[0]  # 0.0001 x 8,760
    assert "-0.0008" in rows[1]
    assert "-0.010000%" in rows[1]
    assert "-87.60%" in rows[1]
    assert "+0.00000001" in rows[2]


def test_funding_rates_sort_and_limit(run: Run):
    """The lowest first, and only one."""
    answer = json.loads(run("funding", "rates", "toy", "--sort", "lowest", "-n", "1", "--json").stdout)
    [lowest] = answer["rates"]
    assert lowest["market_id"] == "ETH-USD-PERP@toy"
    assert lowest["value"] == "-0.0008"
    assert lowest["period_ms"] == 28_800_000
    assert Decimal(lowest["hourly"]) == Decimal("-0.0001")
    assert Decimal(lowest["annualized"]) == Decimal("-0.876")
    assert lowest["effective_at"] == "2026-11-01T12:00:00Z"


def test_one_failing_venue_does_not_hide_the_others_rates(run: Run):
    """The rates that came are shown, the failure is told, the exit code is 1."""
    result = run("funding", "rates", "toy", "wreck", "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert len(answer["rates"]) == 3
    assert answer["errors"][0]["venue"] == "wreck"
    assert "no_such_module" in result.stderr


def test_an_address_for_several_venues_is_misuse(run: Run):
    """One URL can't be two venues'."""
    result = run("funding", "rates", "toy", "wreck", "--rest-url", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "one venue's" in result.stderr


def test_funding_history_shows_kind_and_period(run: Run):
    """One row for each rate."""
    shown = run("funding", "history", "toy", "BTC-USD-PERP").stdout
    assert "current" in shown
    assert "8h" in shown


def test_funding_days_must_be_a_sensible_number(run: Run):
    """Nonsense is misuse, not a crash."""
    for days in ("x", "-1", "nan", "0", "1e99"):
        result = run("funding", "history", "toy", "BTC-USD-PERP", "--days", days)
        assert result.exit_code == 2, days
        assert "Traceback" not in result.output


def test_funding_payments_are_summed_exactly(run: Run):
    """1.50 - 0.25 = 1.25."""
    assert "sum: +1.25 USDC" in run("funding", "payments", "toy", TOY_KEY="good-key").stdout
    answer = json.loads(run("funding", "payments", "toy", "--json", TOY_KEY="good-key").stdout)
    assert answer["sums"] == {"USDC": "1.25"}
    assert [each["amount"] for each in answer["payments"]] == ["1.50", "-0.25"]


def test_account_shows_equity_position_and_order(run: Run):
    """Sizes are signed, amounts readable."""
    shown = run("account", "toy", TOY_KEY="good-key").stdout
    for text in ("1,234,567.89", "-0.5", "-12.50", "+0.00400", "10x", "mine-1", "gtc post-only"):
        assert text in shown


def test_account_json_is_exact(run: Run):
    """What was decoded is what is written."""
    answer = json.loads(run("account", "toy", "--json", TOY_KEY="good-key").stdout)
    assert answer["account"]["equity"] == "1234567.89"
    [position] = answer["positions"]
    assert (position["size"], position["side"]) == ("-0.5", "short")
    assert answer["open_orders"][0]["status"] == "open"


def test_account_without_credentials_says_what_to_set(run: Run):
    """Misuse, with the way out."""
    result = run("account", "toy")
    assert result.exit_code == 2
    assert result.stderr == "error: toy fetch_account: no key was given: set TOY_KEY\n"


def test_the_book_once_shows_both_sides_and_the_spread(run: Run):
    """Asks above bids; (100.5 - 99.5) / 100 is 100 bps."""
    lines = run("book", "toy", "BTC-USD-PERP", "--once").stdout.splitlines()
    prices = [line.split()[1] for line in lines if line.split()[:1] in (["ask"], ["bid"])]
    assert prices == ["101", "100.5", "99.5", "99"]
    assert any("1.0 apart, 100.00 bps" in line for line in lines)


def test_the_book_once_as_json(run: Run):
    """Levels are objects, best first."""
    answer = json.loads(run("book", "toy", "BTC-USD-PERP", "--once", "--json").stdout)
    assert answer["bids"][0] == {"price": "99.5", "size": "1.25"}
    assert answer["sequence"] == 17


def test_an_unknown_market_names_the_nearest(run: Run):
    """A failure with a hint."""
    result = run("book", "toy", "BTX-USD-PERP", "--once")
    assert result.exit_code == 1
    assert "did you mean BTC-USD-PERP" in result.stderr


def test_the_environment_can_come_from_a_variable(run: Run):
    """As `perpkit sim` prints it for pasting."""
    answer = json.loads(run("markets", "toy", "--json", PERPKIT_ENVIRONMENT="mainnet").stdout)
    assert answer["environment"] == "mainnet"


def test_listings_call_nothing_that_changes_anything(run: Run):
    """No listing places or cancels."""
    for command in (["markets", "toy"], ["funding", "rates", "toy"], ["account", "toy"]):
        run(*command, TOY_KEY="good-key")
    assert not [call for call in ToyVenue.calls if not call.startswith(("init", "start", "fetch_", "check_"))]
