"""The rules: complete against the catalogue, each with a page, each with a test or on the list of those that wait."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from perpkit_conformance import pages
from perpkit_conformance.record import Run
from perpkit_conformance.report import make_card, to_json
from perpkit_conformance.rulebook import CARDS, CARDS_LEFT_OUT, CHECKS, CHECKS_LEFT_OUT, RULES
from perpkit_conformance.rules import Tier, UnknownRuleError, rule, rules, up_to

ROOT = Path(__file__).parent.parent.parent
CHECK_IDS = (Path(__file__).parent / "data" / "check_ids.txt").read_text("utf-8").split()

WAITING: frozenset[str] = frozenset(
    (Path(__file__).parent / "data" / "rules_without_tests.txt").read_text("utf-8").split()
)
"""Rules whose tests are being written. The list only shrinks: a rule with a test must not be on it."""


def test_the_catalogue_is_the_projects():
    """No check of the catalogue was forgotten, and none made up."""
    assert sorted(CHECKS) == sorted(CHECK_IDS)


def test_every_check_is_covered_or_left_out_with_a_reason():
    """A check is some rule's, or says why none can decide it; never both."""
    covered = {check for each in RULES for check in each.checks}
    assert covered <= set(CHECKS)
    assert covered | set(CHECKS_LEFT_OUT) == set(CHECKS)
    assert not covered & set(CHECKS_LEFT_OUT)
    assert all(len(reason.split()) > 5 for reason in CHECKS_LEFT_OUT.values())


def test_every_acceptance_card_is_covered_or_left_out_with_a_reason():
    """The peer's cards that fit a perpetual venue are covered, the rest say why not."""
    covered = {card for each in RULES for card in each.cards}
    assert covered <= set(CARDS)
    assert covered | set(CARDS_LEFT_OUT) == set(CARDS)
    assert not covered & set(CARDS_LEFT_OUT)


def test_ids_are_unique_words():
    """An id is kebab-case, one rule's, and no longer than a name should be."""
    assert [name for name, count in Counter(each.id for each in RULES).items() if count > 1] == []
    assert [each.id for each in RULES if not re.fullmatch(r"[a-z]+(-[a-z]+)+", each.id) or len(each.id) > 40] == []


def test_every_rule_says_what_why_and_what_to_do():
    """Sentence, bug and remedy are sentences, and no two rules say the same."""
    for each in RULES:
        for text in (each.sentence, each.bug, each.fix):
            assert text.endswith("."), f"{each.id}: {text}"
            assert len(text.split()) >= 3, f"{each.id}: {text}"
    assert len({each.sentence for each in RULES}) == len(RULES)


def test_every_tier_has_rules():
    """Four tiers, each with something to prove, and each including those before it."""
    assert {each.tier for each in RULES} == set(Tier)
    assert up_to(Tier.SILVER) == (Tier.BRONZE, Tier.SILVER)


def test_an_unknown_rule_is_named_with_the_nearest():
    """A typo in a test or a waiver is told with what was meant."""
    with pytest.raises(UnknownRuleError, match="did you mean fills-exactly-once"):
        rule("fill-exactly-once")


def test_every_rule_has_a_test_or_waits_for_one():
    """A rule without a test is on the list, and one with a test is not: the list only shrinks."""
    tested = set(pages.tests_of())
    assert tested <= set(rules()), f"tests name rules that do not exist: {sorted(tested - set(rules()))}"
    # Live evidence is asked for by an option; its test is one like the others.
    without = {each.id for each in RULES} - tested
    assert without - WAITING == set(), "these rules have no test"
    assert WAITING - without == set(), "these have a test now: take them off rules_without_tests.txt"


def test_every_test_of_the_suite_says_what_it_proves():
    """Each test of the suite carries a rule and one sentence."""
    for tests in pages.tests_of().values():
        for place, says in tests:
            assert len(says.split()) > 3, f"{place} has no sentence"
    marked = {place for tests in pages.tests_of().values() for place, _ in tests}
    written = {
        f"{path.name}::{name}"
        for path in pages.SUITE.glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert marked == written


KEPT = ROOT / "docs" / "conformance"


@pytest.mark.parametrize("name", sorted(path.stem for path in KEPT.glob("*.json")))
def test_a_kept_card_is_of_this_suite(name):
    """A card in the docs was made by this version, with these rules, all of them; otherwise make it again."""
    assert pages.stale(pages.cards(KEPT)[name]) == [], f"perpkit conformance {name} --json docs/conformance/{name}.json"


def test_the_pages_of_the_cards_are_fresh():
    """What the docs say of a venue is what its card says."""
    for name, text in pages.card_pages(KEPT).items():
        assert (KEPT / name).read_text("utf-8") == text, f"docs/conformance/{name}: run make docs-generated"


def test_the_readmes_table_is_that_of_the_cards():
    """Nobody types a tick mark: the table of venues in the README is made from the kept cards."""
    text, kept = (ROOT / "README.md").read_text("utf-8"), pages.cards(KEPT)
    assert "<!-- generated: conformance -->" in text
    assert kept, "no report card is kept under docs/conformance"
    assert pages.in_readme(text, kept) == text, "run make docs-generated"


def test_a_changed_card_makes_the_readme_stale():
    """Another tier on the card is another row of the table; what stands around the marks is left alone."""
    whole = make_card(Run(venue={"title": "Toy", "target": "local toy"}), at=datetime(2026, 11, 1, tzinfo=UTC))
    before = "# P\n<!-- generated: conformance -->\nold\n<!-- end -->\nafter\n"
    after = pages.in_readme(before, {"toy": whole})
    assert "| [Toy](docs/conformance/toy.md) | none | 0 of " in after
    assert (after.startswith("# P\n"), after.endswith("<!-- end -->\nafter\n")) == (True, True)
    assert "old" not in after
    assert pages.in_readme(after, {"toy": replace(whole, tier=Tier.GOLD)}) != after


def test_the_page_of_coverage_names_every_check_and_card():
    """Each has a row that says what it is about, with its rules, or with the reason why there are none."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in pages.coverage().splitlines() if "|" in line]
    assert {*CHECKS, *CARDS} <= {each for each, *_ in rows}
    assert [each for each, about, said, _ in rows if not about or not said] == []
    names = [*CHECKS.values(), *CARDS.values()]
    assert len(set(names)) == len(names)


def test_a_card_of_other_rules_is_stale(tmp_path):
    """A card that knows fewer rules, or only ran some, can't stand in the docs; its page and the table come from it."""
    whole = make_card(Run(venue={"title": "Toy"}), at=datetime(2026, 11, 1, tzinfo=UTC))
    assert pages.stale(whole) == []
    other = replace(whole, rules=whole.rules[1:], partial=True, suite="perpkit 0.0.1")
    assert len(pages.stale(other)) == 3
    (tmp_path / "toy.json").write_text(to_json(whole))
    assert {each.name for each in pages.write_cards(tmp_path)} == {"index.md", "toy.md"}
    assert "| [Toy](toy.md) | none | 0 of " in (tmp_path / "index.md").read_text()
    assert pages.write_cards(tmp_path) == []


def test_the_pages_are_fresh():
    """Each rule has its page, and the pages say what the rules and tests say now; `make docs-generated` writes them."""
    there = {path.name: path.read_text("utf-8") for path in (ROOT / "docs" / "rules").glob("*.md")}
    wanted = pages.pages()
    assert sorted(there) == sorted(wanted), "run make docs-generated"
    assert [name for name, text in wanted.items() if there[name] != text] == [], "run make docs-generated"
