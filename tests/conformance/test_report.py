"""The card: what counts as met, what a waiver may excuse, and that nothing unproved looks proved."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.record import Row, Run
from perpkit_conformance.report import from_json, make_card, summary, to_json, to_markdown, to_text
from perpkit_conformance.rules import Tier, in_tier, rules

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ONE, OTHER = "position-sign-and-size", "fills-exactly-once"


def row(rule: str, outcome: Outcome = Outcome.PASSED, number: int = 1, **fields) -> Row:
    return Row(f"test_{rule}_{number}", rule, outcome, **fields)


def run(*rows: Row, **fields) -> Run:
    about = {"name": "toy", "title": "Toy", "plugin": "toy 1.0", "target": "local toy"}
    return Run(rows={each.test: each for each in rows}, venue={**about, **fields.pop("venue", {})}, **fields)


def card(*rows: Row, **fields):
    return make_card(run(*rows, **fields), at=AT)


def everything(*tiers: Tier, **instead: Row):
    return [row(each.id) for tier in tiers for each in in_tier(tier)]


def test_a_rule_without_a_test_is_not_run_and_not_met():
    """Silence proves nothing: no tier stands on rules that did not run."""
    empty = card(row(ONE))
    assert empty.result(OTHER).outcome is Outcome.NOT_RUN
    assert empty.tier is None
    assert not any(each.met for each in empty.tiers)


@pytest.mark.parametrize("missing", [each.id for each in in_tier(Tier.BRONZE)][:5])
def test_one_rule_that_did_not_run_takes_the_tier(missing):
    """Bronze with one rule missing is no bronze."""
    rows = [each for each in everything(Tier.BRONZE) if each.rule != missing]
    assert card(*everything(Tier.BRONZE)).tier is Tier.BRONZE
    assert card(*rows).tier is None


def test_a_tier_needs_those_beneath_it():
    """Silver without bronze is nothing, whatever was passed."""
    assert card(*everything(Tier.SILVER, Tier.GOLD)).tier is None
    assert card(*everything(Tier.BRONZE, Tier.SILVER)).tier is Tier.SILVER
    assert card(*everything(*Tier)).tier is Tier.PLATINUM


@pytest.mark.parametrize(
    ("outcomes", "wanted"),
    [
        ([Outcome.PASSED, Outcome.PASSED], Outcome.PASSED),
        ([Outcome.PASSED, Outcome.FAILED], Outcome.FAILED),
        ([Outcome.PASSED, Outcome.NOT_OFFERED], Outcome.PASSED),
        ([Outcome.NOT_OFFERED], Outcome.NOT_OFFERED),
        ([Outcome.PASSED, Outcome.NOT_IMPLEMENTED], Outcome.NOT_IMPLEMENTED),
        ([Outcome.PASSED, Outcome.NOT_RUN], Outcome.NOT_RUN),
        ([Outcome.NOT_IMPLEMENTED, Outcome.FAILED], Outcome.FAILED),
        ([Outcome.EXEMPT, Outcome.PASSED], Outcome.EXEMPT),
        ([Outcome.EXEMPT, Outcome.FAILED], Outcome.FAILED),
    ],
)
def test_the_worst_test_decides_a_rule(outcomes, wanted):
    """A rule is as good as the worst of its tests, where what the venue lacks takes nothing away."""
    rows = [row(ONE, outcome, number) for number, outcome in enumerate(outcomes)]
    assert card(*rows).result(ONE).outcome is wanted


@pytest.mark.parametrize(
    ("outcome", "met"),
    [
        (Outcome.PASSED, True),
        (Outcome.NOT_OFFERED, True),
        (Outcome.EXEMPT, True),
        (Outcome.NOT_IMPLEMENTED, False),
        (Outcome.NOT_RUN, False),
        (Outcome.FAILED, False),
    ],
)
def test_what_counts_as_met(outcome, met):
    """A venue's own gap and a dated waiver are met; the plugin's gap and silence are not."""
    rows = [each for each in everything(Tier.BRONZE) if each.rule != ONE]
    assert (card(*rows, row(ONE, outcome)).tier is Tier.BRONZE) is met


def waived(until: str) -> dict:
    return {
        "waivers": [{"rule": ONE, "reason": "the venue is being repaired", "whose": "venue", "until": until}],
    }


def test_a_waived_failure_is_exempt_and_says_so():
    """The reason stands on the card, and the run is no failure."""
    found = card(row(ONE, Outcome.EXEMPT, waived="venue, until 2026-12-01: it"), venue=waived("2026-12-01"))
    assert found.result(ONE).outcome is Outcome.EXEMPT
    assert "venue, until 2026-12-01" in found.result(ONE).message
    assert found.stale_waivers == []


def test_a_waiver_of_a_rule_that_holds_is_stale():
    """Where every test passes under a waiver, the waiver has to go; until then the rule fails."""
    found = card(row(ONE, waived="venue, until 2026-12-01: it"), venue=waived("2026-12-01"))
    assert found.result(ONE).outcome is Outcome.FAILED
    assert "stale" in found.stale_waivers[0]


def test_a_waiver_past_its_date_is_stale_whatever_came():
    """Its last day over, it fails the run even if nothing of the rule ran."""
    found = card(row(OTHER), venue=waived("2026-11-20"))
    assert "ended on 2026-11-20" in found.stale_waivers[0]
    assert found.result(ONE).outcome is Outcome.FAILED


def test_a_waiver_is_not_stale_while_one_test_needs_it():
    """Some tests of a waived rule may pass: it is exempt as long as one fails."""
    rows = [row(ONE, waived="x", number=1), row(ONE, Outcome.EXEMPT, number=2, waived="x")]
    found = card(*rows, venue=waived("2026-12-01"))
    assert found.result(ONE).outcome is Outcome.EXEMPT
    assert found.stale_waivers == []


def test_claims_stand_beside_their_evidence():
    """A claim is proved, failing, without evidence, or not made; never simply believed."""
    rows = [
        row(ONE, needs=["fetch_positions"]),
        row(OTHER, Outcome.FAILED, needs=["channel:fills", "fetch_positions"]),
        row(OTHER, Outcome.NOT_OFFERED, number=2, needs=["time_in_force:fok"]),
    ]
    found = card(*rows, claims=["channel:fills", "fetch_positions", "post_only"])
    assert {each.claim: each.verdict for each in found.claims} == {
        "channel:fills": "claimed, and failing",
        "fetch_positions": "claimed, and failing",
        "post_only": "claimed, no evidence",
        "time_in_force:fok": "not offered",
    }
    alone = card(rows[0], claims=["fetch_positions"])
    assert [(each.verdict, each.passed) for each in alone.claims] == [("proved", 1)]


def test_json_gives_the_same_card_back():
    """JSON is the source of every other form: nothing is lost on the way."""
    found = card(row(ONE, Outcome.FAILED, message="size 1, ledger -1", needs=["fetch_positions"]), claims=["post_only"])
    assert from_json(to_json(found)) == found


def test_the_words_name_every_rule_that_is_not_met():
    """Whoever reads the card on a terminal sees each failure with its message, and the line that sums it up."""
    found = card(*everything(Tier.BRONZE)[1:], row(OTHER, Outcome.FAILED, message="fill 7 came twice"), seed=7)
    text = to_text(found)
    assert "fills-exactly-once: fill 7 came twice" in text
    assert text.splitlines()[-1] == summary(found)
    assert "no tier" in summary(found)
    silent = [each.id for each in found.rules if each.outcome is Outcome.NOT_RUN]
    assert [each for each in silent if each not in text] == []


def test_the_page_links_every_rule():
    """The Markdown has a row and a link for each rule."""
    text = to_markdown(card(row(ONE)))
    assert [each for each in rules() if f"[{each}](rules/{each}.md)" not in text] == []


def test_a_test_that_was_to_run_and_told_nothing_takes_its_rule():
    """Of a run that ended early the rules that had begun are not met; a process that died fails the rule it was at."""
    early = run(row(ONE), planned={f"test_{ONE}_1": ONE, f"test_{ONE}_2": ONE, "test_other": OTHER}, interrupted=True)
    early.crashed = {"test_other": "worker 'gw0' crashed while running 'test_other'"}
    early.close()
    made = make_card(early, at=AT)
    assert (made.result(ONE).outcome, made.result(ONE).message) == (Outcome.NOT_RUN, "1 of 2 tests ran")
    assert (made.result(OTHER).outcome, made.result(OTHER).message) == (Outcome.FAILED, early.crashed["test_other"])
    assert "stopped before its end" in summary(made)
    assert from_json(to_json(made)).interrupted


def test_what_is_said_of_many_rules_is_said_once():
    """A plugin that can't be made is one line and a list, not a line for each of a hundred rules."""
    ids = [each.id for each in in_tier(Tier.BRONZE)]
    text = to_text(card(*(row(each, Outcome.NOT_RUN, message="it can't be made") for each in ids)))
    assert text.count("it can't be made") == 1
    assert f"{len(ids)} rules: it can't be made" in text
    assert all(each in text for each in ids)
