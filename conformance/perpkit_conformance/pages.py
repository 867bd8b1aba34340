"""
Writes a page for each rule under ``docs/rules``: what must hold, why, what to do, and which tests prove it; and a page
for each report card that is kept under ``docs/conformance``.

``python -m perpkit_conformance.pages DOCS`` writes them, and the table of venues in the README beside that directory; a
test fails when any is stale.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.report import Card, from_json, suite_version, to_markdown
from perpkit_conformance.rulebook import CARDS, CARDS_LEFT_OUT, CHECKS, CHECKS_LEFT_OUT
from perpkit_conformance.rules import TIERS, Layer, Rule, rules

SUITE = Path(__file__).parent / "suite"

_MARKED = re.compile(r"(<!-- generated: conformance -->)\n.*?(<!-- end -->)", re.DOTALL)

_PROOFS = {
    Layer.STATIC: "by reading, importing and registering the plugin; nothing is sent",
    Layer.WIRE: "by holding what the plugin sends against the venue's machine-readable contract",
    Layer.TRUTH: "by comparing what comes back with the local exchange's ledger",
    Layer.LIFECYCLE: "by following it through its states on the local exchange",
    Layer.FAULTS: "by breaking something on the way, on the local exchange",
    Layer.LIVE: "on the venue's testnet, on request",
}


@cache
def tests_of() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Return the suite's tests by rule: each with its place and what it says of itself. Nothing is imported."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(SUITE.glob("test_*.py")):
        module = ast.parse(path.read_text("utf-8"))
        shared = [each for node in module.body if isinstance(node, ast.Assign) for each in _module_marks(node)]
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                marks = [mark for each in node.decorator_list if (mark := _rule_mark(each)) is not None] or shared
                for rule_id in marks:
                    says = " ".join((ast.get_docstring(node) or "").split())
                    found.setdefault(rule_id, []).append((f"{path.name}::{node.name}", says))
    return {rule_id: tuple(tests) for rule_id, tests in found.items()}


def _module_marks(node: ast.Assign) -> list[str]:
    if not any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets):
        return []
    values = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return [mark for each in values if (mark := _rule_mark(each)) is not None]


def _rule_mark(node: ast.expr) -> str | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "rule":
        return None
    argument = node.args[0] if node.args else None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


def page(rule: Rule) -> str:
    """Return a rule's page."""
    lines = [
        f"# {rule.id}",
        "",
        rule.sentence,
        "",
        f"**Tier** {rule.tier}. **Proved** {_PROOFS[rule.layer]}.",
        "",
        "## The bug behind it",
        "",
        rule.bug,
        "",
        "## What to do",
        "",
        rule.fix,
        "",
        "## How it is tested",
        "",
    ]
    tests = tests_of().get(rule.id, ())
    lines += [f"- `{place}`: {says}" for place, says in tests] or ["No test yet: it counts as not run."]
    lines += ["", "```", f"perpkit conformance VENUE --rule {rule.id}", "```", ""]
    if rule.checks or rule.cards:
        lines += ["## Covers", ""]
        lines += [f"- checks {', '.join(rule.checks)}"] if rule.checks else []
        lines += [f"- acceptance cards {', '.join(rule.cards)}"] if rule.cards else []
        lines.append("")
    related = _related(rule)
    if related:
        lines += ["## Related", "", *(f"- [{each.id}]({each.id}.md): {each.sentence}" for each in related), ""]
    lines += ["[All rules](index.md)", ""]
    return "\n".join(lines)


def _related(rule: Rule) -> list[Rule]:
    """Return the rules that share a check, and the neighbours in the rulebook that are about the same thing."""
    groups = {check.rstrip("0123456789") for check in rule.checks}
    every = [each for each in rules().values() if each.id != rule.id]
    sharing = [each for each in every if set(each.checks) & set(rule.checks)]
    order = list(rules())
    near = [
        each
        for each in every
        if abs(order.index(each.id) - order.index(rule.id)) <= 1
        and groups & {check.rstrip("0123456789") for check in each.checks}
    ]
    return list(dict.fromkeys([*sharing, *near]))[:5]


def index() -> str:
    """Return the page that lists every rule."""
    lines = [
        "# Rules",
        "",
        "What a venue plugin must do. A tier is met when every rule of it and of the tiers before it is met; a rule "
        "that did not run is not met. Run one with `perpkit conformance VENUE --rule ID`. Which mistakes "
        "each of them catches: [the kill table](../kill-table.md).",
        "",
    ]
    for tier in TIERS:
        own = [each for each in rules().values() if each.tier is tier]
        lines += [f"## {tier.capitalize()} ({len(own)})", "", "| rule | what must hold | proved by |", "|---|---|---|"]
        lines += [f"| [{each.id}]({each.id}.md) | {each.sentence} | {each.layer} |" for each in own]
        lines.append("")
    return "\n".join([*lines, "[What the rules cover](coverage.md): checks and acceptance cards.", ""])


def coverage() -> str:
    """Return the page that maps every check and every acceptance card to the rules that cover it, or to a reason."""
    lines = [
        "# What the rules cover",
        "",
        "The catalogue of checks, and the acceptance cards that NautilusTrader runs by hand against a live venue. Each "
        "is covered by rules, or says why none covers it.",
        "",
    ]
    kinds = (
        ("Checks", CHECKS, CHECKS_LEFT_OUT, lambda rule: rule.checks),
        ("Acceptance cards", CARDS, CARDS_LEFT_OUT, lambda rule: rule.cards),
    )
    for title, about, left_out, covers in kinds:
        by_id = {each: [rule for rule in rules().values() if each in covers(rule)] for each in about}
        count = sum(bool(found) for found in by_id.values())
        lines += [f"## {title} ({count} of {len(about)} covered)", ""]
        lines += ["| id | about | rules | tests |", "|---|---|---|---|"]
        for each, found in by_id.items():
            named = ", ".join(f"[{rule.id}]({rule.id}.md)" for rule in found) or left_out.get(each, "")
            number = sum(len(tests_of().get(rule.id, ())) for rule in found)
            lines.append(f"| {each} | {about[each]} | {named} | {number or ''} |")
        lines.append("")
    return "\n".join([*lines, "[All rules](index.md)", ""])


def pages() -> dict[str, str]:
    """Return every page by file name."""
    every = {f"{each.id}.md": page(each) for each in rules().values()}
    return {"index.md": index(), "coverage.md": coverage(), **every}


def write(directory: Path) -> list[Path]:
    """Write every page, take away those of rules that are gone, and return what changed."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted, changed = pages(), []
    for path in directory.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
            changed.append(path)
    for name, text in wanted.items():
        path = directory / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


# Cards


def cards(directory: Path) -> dict[str, Card]:
    """Return the report cards that are kept in a directory, by file name without ``.json``."""
    return {path.stem: from_json(path.read_bytes()) for path in sorted(directory.glob("*.json"))}


def card_pages(directory: Path) -> dict[str, str]:
    """Return a page for each kept card, by file name, and the table of all of them as ``index.md``."""
    found = cards(directory)
    if not found:
        return {}
    return {
        "index.md": card_index(found),
        **{f"{name}.md": to_markdown(each, pages="../rules") for name, each in found.items()},
    }


def card_index(found: Mapping[str, Card]) -> str:
    """Return the page of venues, made from their cards and from nothing else."""
    lines = [
        "# Conformance",
        "",
        "Made from the report cards of real runs; nobody types a tick mark. `perpkit conformance VENUE` makes one.",
        "",
        *card_table(found),
        "",
        "Tests that ran stand beside what a plugin claims on each venue's page. A rule that did not run is not met.",
    ]
    return "\n".join([*lines, ""])


def card_table(found: Mapping[str, Card], *, pages: str = "") -> list[str]:
    """Return the table of venues; ``pages`` is where their pages are from there."""
    lines = ["| venue | tier | rules met | tests | against | date |", "|---|---|---|---|---|---|"]
    for name, card in found.items():
        met = sum(each.outcome.counts_as_met for each in card.rules)
        ran = sum(card.tests.get(outcome.value, 0) for outcome in (Outcome.PASSED, Outcome.FAILED))
        lines.append(
            f"| [{card.title}]({pages}{name}.md) | {card.tier or 'none'} | {met} of {len(card.rules)} | {ran} "
            f"| {card.target} | {card.at:%Y-%m-%d} |"
        )
    return lines


def in_readme(text: str, found: Mapping[str, Card]) -> str:
    """Return a README with its table of venues as the cards have it; without the marks it stays as it is."""
    table = "\n".join(card_table(found, pages="docs/conformance/"))
    return _MARKED.sub(lambda marks: f"{marks[1]}\n{table}\n{marks[2]}", text)


def stale(card: Card) -> list[str]:
    """Say in which ways a kept card is not of this suite: rules that came, went or moved, or another version."""
    kept = {each.id: each.tier for each in card.rules}
    found = [f"{each.id} is not on it" for each in rules().values() if each.id not in kept]
    found += [f"{each} is no rule any more" for each in kept if each not in rules()]
    found += [
        f"{each} moved to {rules()[each].tier}"
        for each, tier in kept.items()
        if each in rules() and rules()[each].tier is not tier
    ]
    if card.suite != suite_version():
        found.append(f"it was made by {card.suite}; this is {suite_version()}")
    if card.partial:
        found.append("it is of a part of the rules only")
    if card.interrupted:
        found.append("its run was stopped before its end")
    return found


def write_cards(directory: Path) -> list[Path]:
    """Write the pages of the kept cards, and return what changed."""
    changed = []
    for name, text in card_pages(directory).items():
        path = directory / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def write_readme(readme: Path, directory: Path) -> list[Path]:
    """Write the README's table of venues, and return the README if it changed."""
    before = readme.read_text("utf-8")
    after = in_readme(before, cards(directory))
    if after == before:
        return []
    readme.write_text(after, encoding="utf-8")
    return [readme]


if __name__ == "__main__":
    docs = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    kept = docs / "conformance"
    for each_changed in (*write(docs / "rules"), *write_cards(kept), *write_readme(docs.parent / "README.md", kept)):
        sys.stdout.write(f"{each_changed}\n")
