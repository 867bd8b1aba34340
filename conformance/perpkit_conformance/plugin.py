"""
The pytest plugin: options, markers, and what a run of the suite leaves behind for the card.

It is loaded by every pytest run of whoever has perpkit installed, so it imports perpkit only when the suite is run and
changes nothing otherwise.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from perpkit_conformance.outcomes import GAP, NEEDS, PLAN, REASON, RULE, WAIVED, Outcome

if TYPE_CHECKING:
    from collections.abc import Generator

    from perpkit_conformance.rules import Rule

_FIXTURES = "perpkit_conformance.fixtures"
_NEEDED = ("pytest_asyncio", "jsonschema", "yaml", "fast_stark_crypto")

_HOLDS = pytest.StashKey[dict[str, Any]]()
_PLANNED = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("perpkit conformance")
    group.addoption("--venue", metavar="NAME", help="run the suite for this venue; or module:object of its profile")
    group.addoption("--venue-plugin", metavar="MODULE:CLASS", help="test this plugin class, not the installed one")
    group.addoption("--venue-seed", type=int, default=None, metavar="N", help="seed of exchange, faults and histories")
    group.addoption("--rule", action="append", default=[], metavar="ID", help="run the tests of this rule only")
    group.addoption("--tier", metavar="TIER", help="run the rules of this tier and of those beneath it only")
    group.addoption("--live", metavar="ENVIRONMENT", help="run the live rules as well, read-only: --live testnet")
    group.addoption("--live-trade", action="store_true", help="let the live run place one small order and cancel it")
    group.addoption("--real-money", action="store_true", help="the first of two opt-ins for a mainnet")
    group.addoption("--card-json", type=Path, metavar="FILE", help="write the report card as JSON")
    group.addoption("--card-markdown", type=Path, metavar="FILE", help="write the report card as Markdown")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; bring the fixtures where what they need is installed."""
    config.addinivalue_line("markers", "rule(id): the conformance rule that the test proves")
    config.addinivalue_line("markers", "needs(*claims): skip, and say whose gap it is, unless the plugin claims these")
    config.addinivalue_line(
        "markers", "target(**options): options of the fixture target: accounts, deposit, the venue's own"
    )
    config.addinivalue_line("markers", "local_paradex(**options): options of the fixture local_paradex")
    if any(find_spec(name) is None for name in _NEEDED):
        if config.getoption("venue"):
            missing = ", ".join(name for name in _NEEDED if find_spec(name) is None)
            raise pytest.UsageError(f"the suite needs {missing}: pip install 'perpkit[conformance]'")
        return
    if config.getoption("venue"):
        # The suite's tests are coroutines; whoever runs them need not configure that.
        config.option.asyncio_mode = "auto"
        _check_venue(config)
    # Here and not at collection, which with workers is theirs: an error of theirs is told as a failure of the runner.
    _check_wanted(set(config.getoption("rule")), config.getoption("tier"))
    config.pluginmanager.import_plugin(_FIXTURES)
    if not hasattr(config, "workerinput"):
        from perpkit_conformance.record import Recorder  # noqa: PLC0415 - see the module's text

        _check_files(config)
        config.pluginmanager.register(Recorder(config), "perpkit-conformance-recorder")


def _check_venue(config: pytest.Config) -> None:
    """Say once, and before anything runs, that the venue has no profile, or that the live run is not permitted."""
    from perpkit.core.errors import PerpkitError  # noqa: PLC0415 - see the module's text
    from perpkit_conformance.live import permit_of  # noqa: PLC0415
    from perpkit_conformance.profile import load_profile  # noqa: PLC0415

    try:
        profile = load_profile(config.getoption("venue"), config.getoption("venue_plugin"))
        if config.getoption("live"):
            permit_of(profile.name, config.option)
    except PerpkitError as error:
        raise pytest.UsageError(str(error)) from None


def _check_files(config: pytest.Config) -> None:
    """Say before a run, and not after it, that its card can't be written."""
    for name in ("card_json", "card_markdown"):
        path: Path | None = config.getoption(name)
        if path is None:
            continue
        was_there = path.exists()
        try:
            path.open("ab").close()
        except OSError as error:
            raise pytest.UsageError(f"the card can't be written to {path}: {error.strerror}") from None
        if not was_there:
            path.unlink()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a test that names no rule, keep the rules that are asked for, and tell the card what each test proves."""
    planned = config.stash.setdefault(_PLANNED, {})
    wanted_rules, wanted_tier = set(config.getoption("rule")), config.getoption("tier")
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        marked = _rule_of(item)
        if marked is None:
            (dropped if wanted_rules or wanted_tier else kept).append(item)
            continue
        from perpkit_conformance.bounds import bound  # noqa: PLC0415 - see the module's text

        item.user_properties.append((RULE, marked.id))
        bound(item)
        needed = [claim for mark in item.iter_markers("needs") for claim in mark.args]
        if needed:
            item.user_properties.append((NEEDS, needed))
        if _is_wanted(marked, wanted_rules, wanted_tier):
            kept.append(item)
            planned[item.nodeid] = marked.id
        else:
            dropped.append(item)
    if wanted_rules or wanted_tier:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def _rule_of(item: pytest.Item) -> Rule | None:
    marks = list(item.iter_markers("rule"))
    if not marks:
        return None
    from perpkit_conformance.rules import UnknownRuleError, rule  # noqa: PLC0415 - see the module's text

    if len(marks) > 1 or len(marks[0].args) != 1:
        raise pytest.UsageError(f"{item.nodeid}: a test proves one rule: @pytest.mark.rule('id')")
    try:
        return rule(marks[0].args[0])
    except UnknownRuleError as error:
        raise pytest.UsageError(f"{item.nodeid}: {error}") from None


def _is_wanted(rule: Rule, wanted_rules: set[str], wanted_tier: str | None) -> bool:
    from perpkit_conformance.rules import Tier, up_to  # noqa: PLC0415 - see the module's text

    if wanted_rules and rule.id not in wanted_rules:
        return False
    return wanted_tier is None or wanted_tier not in set(Tier) or rule.tier in up_to(Tier(wanted_tier))


def _check_wanted(wanted_rules: set[str], wanted_tier: str | None) -> None:
    from perpkit_conformance.rules import Tier, UnknownRuleError, rule, up_to  # noqa: PLC0415 - see the module's text

    if wanted_tier is not None and wanted_tier not in set(Tier):
        raise pytest.UsageError(f"--tier {wanted_tier}: there is {', '.join(Tier)}")
    for each in sorted(wanted_rules):
        try:
            wanted = rule(each)
        except UnknownRuleError as error:
            raise pytest.UsageError(f"--rule {each}: {error}") from None
        if wanted_tier is not None and wanted.tier not in up_to(Tier(wanted_tier)):
            raise pytest.UsageError(f"--rule {each}: it is {wanted.tier}, which --tier {wanted_tier} leaves out")


def hold(item: pytest.Item, **values: Any) -> None:
    """Keep something about a running test for its report."""
    item.stash.setdefault(_HOLDS, {}).update(values)


def gap(item: pytest.Item, outcome: Outcome, reason: str) -> NoReturn:
    """Skip a test for a gap that the card will show: not offered, not implemented, or not run."""
    item.user_properties.append((GAP, outcome.value))
    item.user_properties.append((REASON, reason))
    pytest.skip(f"{outcome.value}: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say the rule and its page with a failure, and turn a waived one into an expected one."""
    report = yield
    marked = next(iter(item.iter_markers("rule")), None)
    if marked is None:
        return report
    held = item.stash.get(_HOLDS, {})
    waiver = held.get("waiver")
    if waiver is not None and report.when == "call":
        report.user_properties.append((WAIVED, f"{waiver.whose}, until {waiver.until}: {waiver.reason}"))
        if report.failed:
            report.outcome = "skipped"
            report.wasxfail = f"waived until {waiver.until}: {waiver.reason}"
            return report
    if report.failed:
        report.sections.append(("the rule", _explain(marked.args[0], held)))
    report.user_properties.extend(held.pop("properties", ()))
    # Once for each process: what is planned and never reported did not run, and must not look as if it had.
    if planned := item.config.stash.get(_PLANNED, {}):
        report.user_properties.append((PLAN, dict(planned)))
        planned.clear()
    return report


def _explain(rule_id: str, held: dict[str, Any]) -> str:
    from perpkit_conformance.rules import rule  # noqa: PLC0415 - see the module's text

    broken = rule(rule_id)
    lines = [
        f"{broken.id} ({broken.tier}, {broken.layer}): {broken.sentence}",
        f"the bug behind it: {broken.bug}",
        f"what to do: {broken.fix}",
        f"read: {broken.page}",
    ]
    if "seed" in held:
        lines.append(f"the same run again: --rule {broken.id} --venue-seed {held['seed']}")
    return "\n".join(lines)
