"""
The report card: a run's rows turned into what came of each rule and which tier that makes. JSON is the source; terminal
and Markdown are made from it.

A rule that did not run never counts as met. A claim stands beside its evidence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.record import Row, Run
from perpkit_conformance.rules import TIERS, Layer, Rule, Tier, rules, up_to

_WORST_FIRST = (
    Outcome.FAILED,
    Outcome.NOT_RUN,
    Outcome.NOT_IMPLEMENTED,
    Outcome.EXEMPT,
    Outcome.PASSED,
    Outcome.NOT_OFFERED,
)

_MANY = 3
"""Rules of which the same is said are listed up to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What came of one rule: of how many tests, and the first thing that was said against it."""

    id: str
    tier: Tier
    layer: Layer
    sentence: str
    page: str
    outcome: Outcome
    tests: int
    passed: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierResult:
    """What came of one tier: ``met`` when every rule of it and of those beneath it counts as met."""

    tier: Tier
    met: bool
    rules: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """A capability, and the tests that needed it."""

    claim: str
    claimed: bool
    passed: int
    failed: int
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """
    The report card of one run.

    Attributes:
        venue: The venue's name; ``plugin`` is the package under test, ``target`` what it ran against.
        partial: Only some rules were asked for.
        interrupted: Somebody stopped it; what had not ended by then did not run.
        tier: The highest tier that is met; None when not even bronze is.
        tests: How many tests ran, by what came of them.
        stale_waivers: Waivers that are over, or whose rule holds without them. Any of them fails the run.
    """

    venue: str
    title: str
    plugin: str
    target: str
    suite: str
    at: datetime
    seed: int | None
    partial: bool
    tier: Tier | None
    tests: dict[str, int]
    tiers: list[TierResult]
    rules: list[RuleResult]
    claims: list[ClaimResult]
    waivers: list[dict[str, str]] = field(default_factory=list)
    stale_waivers: list[str] = field(default_factory=list)
    interrupted: bool = False

    def result(self, rule_id: str) -> RuleResult:
        """Return what came of one rule."""
        return next(each for each in self.rules if each.id == rule_id)


def make_card(run: Run, *, at: datetime) -> Card:
    """Judge a run."""
    by_rule: dict[str, list[Row]] = {}
    for row in run.rows.values():
        by_rule.setdefault(row.rule, []).append(row)
    stale = _stale(run, by_rule, at.date())
    results = [_judge(rule, by_rule.get(rule.id, []), stale) for rule in rules().values()]
    tiers = [_judge_tier(tier, results) for tier in TIERS]
    met = [each.tier for each in tiers if each.met]
    ran = Counter(row.outcome.value for row in run.rows.values())
    return Card(
        venue=run.venue.get("name", "?"),
        title=run.venue.get("title", "?"),
        plugin=run.venue.get("plugin", "?"),
        target=run.venue.get("target", "?"),
        suite=suite_version(),
        at=at,
        seed=run.seed,
        partial=run.only_part,
        tier=met[-1] if met else None,
        tests={outcome.value: ran[outcome.value] for outcome in Outcome if ran[outcome.value]},
        tiers=tiers,
        rules=results,
        claims=_claims(run),
        waivers=list(run.venue.get("waivers", ())),
        stale_waivers=list(stale.values()),
        interrupted=run.interrupted,
    )


def _stale(run: Run, by_rule: dict[str, list[Row]], today: date) -> dict[str, str]:
    """Return what is wrong with waivers, by rule."""
    found = {}
    for waiver in run.venue.get("waivers", ()):
        rule, until = waiver["rule"], date.fromisoformat(waiver["until"])
        rows = [row for row in by_rule.get(rule, ()) if row.waived]
        if today > until:
            found[rule] = f"the waiver of {rule} ended on {until}: {waiver['reason']}"
        elif rows and all(row.outcome is Outcome.PASSED for row in rows):
            found[rule] = f"the waiver of {rule} is stale: the rule holds; take the waiver away ({waiver['reason']})"
    return found


def _judge(rule: Rule, rows: Sequence[Row], stale: dict[str, str]) -> RuleResult:
    outcomes = {row.outcome for row in rows}
    outcome = next((each for each in _WORST_FIRST if each in outcomes), Outcome.NOT_RUN)
    message = next(
        (row.waived or row.message for row in rows if row.outcome is outcome and outcome is not Outcome.PASSED), ""
    )
    ran = sum(row.outcome is not Outcome.NOT_RUN for row in rows)
    if outcome is Outcome.NOT_RUN and ran and not message:
        message = f"{ran} of {len(rows)} tests ran"
    if rule.id in stale:
        outcome, message = Outcome.FAILED, stale[rule.id]
    return RuleResult(
        id=rule.id,
        tier=rule.tier,
        layer=rule.layer,
        sentence=rule.sentence,
        page=rule.page,
        outcome=outcome,
        tests=len(rows),
        passed=sum(row.outcome is Outcome.PASSED for row in rows),
        message=message,
    )


def _judge_tier(tier: Tier, results: Iterable[RuleResult]) -> TierResult:
    every = list(results)
    beneath = [each for each in every if each.tier in up_to(tier)]
    own = [each for each in every if each.tier is tier]
    counts = Counter(each.outcome.value for each in own)
    return TierResult(
        tier=tier,
        met=all(each.outcome.counts_as_met for each in beneath),
        rules=len(own),
        counts={outcome.value: counts[outcome.value] for outcome in Outcome if counts[outcome.value]},
    )


def _claims(run: Run) -> list[ClaimResult]:
    needed = {claim for row in run.rows.values() for claim in row.needs}
    found = []
    for claim in sorted({*run.claims, *needed}):
        rows = [row for row in run.rows.values() if claim in row.needs]
        passed = sum(row.outcome is Outcome.PASSED for row in rows)
        failed = sum(row.outcome in {Outcome.FAILED, Outcome.EXEMPT} for row in rows)
        claimed = claim in run.claims
        if failed:
            verdict = "claimed, and failing"
        elif passed:
            verdict = "proved"
        elif claimed:
            verdict = "claimed, no evidence"
        else:
            verdict = next((row.outcome.value for row in rows if row.outcome is not Outcome.NOT_RUN), "not claimed")
        found.append(ClaimResult(claim=claim, claimed=claimed, passed=passed, failed=failed, verdict=verdict))
    return found


def suite_version() -> str:
    """Return the suite's own version."""
    try:
        return f"perpkit {version('perpkit')}"
    except PackageNotFoundError:
        return "perpkit, not installed"


# JSON


def to_json(card: Card) -> str:
    """Write a card."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2).decode() + "\n"


def from_json(text: str | bytes) -> Card:
    """Read a card that :func:`to_json` wrote."""
    return msgspec.json.decode(text, type=Card)


# Words


def summary(card: Card) -> str:
    """Return the card in one line."""
    total, met = len(card.rules), sum(each.outcome.counts_as_met for each in card.rules)
    part = ", of the rules that were asked for" if card.partial else ""
    part += ", stopped before its end" if card.interrupted else ""
    return f"{card.title}: {card.tier or 'no tier'} ({met} of {total} rules met{part}; {_counts(card.tests)})"


def to_text(card: Card) -> str:
    """Write a card for a terminal: the tiers, then every rule that is not simply met."""
    lines = [
        f"{card.plugin} against {card.target}",
        f"{card.suite}, seed {card.seed}, {card.at:%Y-%m-%d %H:%M} UTC",
        "",
    ]
    lines += [f"{each.tier:<9} {'met' if each.met else 'not met':<8} {_counts(each.counts)}" for each in card.tiers]
    for outcome in _WORST_FIRST:
        if outcome is Outcome.PASSED:
            continue
        found = [each for each in card.rules if each.outcome is outcome]
        by_message: dict[str, list[str]] = {}
        for each in found:
            by_message.setdefault(each.message, []).append(each.id)
        silent = by_message.pop("", [])
        if card.partial and outcome is Outcome.NOT_RUN:
            silent = []  # nobody asked for them
        said = [line for message, ids in by_message.items() for line in _said(message, ids)]
        if said or silent:
            lines += ["", f"{outcome}:", *said, *([_wrapped(silent)] if silent else [])]
    failing = [f"  {each.claim}: {each.verdict}" for each in card.claims if each.failed]
    unproved = [each.claim for each in card.claims if each.claimed and not each.failed and not each.passed]
    if card.partial:
        unproved = []
    if failing or unproved:
        lines += ["", "claims without proof:", *failing, *([_wrapped(unproved)] if unproved else [])]
    if card.stale_waivers:
        lines += ["", *card.stale_waivers]
    return "\n".join([*lines, "", summary(card)])


def to_markdown(card: Card, *, pages: str = "rules") -> str:
    """Write a card for a page; ``pages`` is where the rules' own pages are from there."""
    lines = [
        f"# Conformance of {card.title}",
        "",
        f"**{card.tier or 'No tier'}**: {card.plugin} against {card.target}, by {card.suite}, seed {card.seed}, "
        f"{card.at:%Y-%m-%d}. Tests: {_counts(card.tests)}.",
        "",
        "| tier | met | rules |",
        "|---|---|---|",
        *(f"| {each.tier} | {'yes' if each.met else 'no'} | {_counts(each.counts)} |" for each in card.tiers),
        "",
    ]
    for tier in TIERS:
        lines += [f"## {tier.capitalize()}", "", "| rule | outcome | tests | |", "|---|---|---|---|"]
        lines += [
            f"| [{each.id}]({pages}/{each.id}.md) | {each.outcome} | {each.passed} of {each.tests} | "
            f"{_cell(each.message or each.sentence)} |"
            for each in card.rules
            if each.tier is tier
        ]
        lines.append("")
    lines += ["## Claims and evidence", "", "| claim | claimed | passed | failed | verdict |", "|---|---|---|---|---|"]
    lines += [
        f"| `{each.claim}` | {'yes' if each.claimed else 'no'} | {each.passed} | {each.failed} | {each.verdict} |"
        for each in card.claims
    ]
    if card.waivers:
        lines += ["", "## Waivers", ""]
        lines += [
            f"- {each['rule']}, until {each['until']} ({each['whose']}): {each['reason']}" for each in card.waivers
        ]
    return "\n".join(lines) + "\n"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"


def _said(message: str, ids: Sequence[str]) -> list[str]:
    """Write what was said of rules; what was said of many is written once."""
    if len(ids) <= _MANY:
        return [f"  {each}: {message}" for each in ids]
    return [f"  {len(ids)} rules: {message}:", _wrapped(ids)]


def _wrapped(names: Sequence[str], width: int = 116) -> str:
    lines = [" "]
    for name in names:
        if len(lines[-1]) + len(name) + 2 > width:
            lines.append(" ")
        lines[-1] += f" {name},"
    return "\n".join(lines).rstrip(",")


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
