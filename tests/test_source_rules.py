"""House rules on the text of the sources, each with proof that it can fail."""

from __future__ import annotations

import pytest

from tests import source_rules
from tests.source_rules import Module, Offence, Rule, forbidden_words, project_files, source_modules

# Places where a rule does not apply, by module and function, each with the reason. An entry that no longer
# matches anything fails, so the list only holds what is needed.
ALLOWED: dict[str, dict[tuple[str, str], str]] = {
    "no_float_on_money_paths": {},
    "no_float_fields": {},
    "only_the_clock_reads_time": {
        (
            "perpkit.core.line_file",
            "LineFile._acquire",
        ): "a worker thread waits for another process, which has no clock of ours",
        ("perpkit_conformance.blocking", "blocking_noted"): "calls nothing: it stands in for it, to note who does",
    },
    "nothing_volatile_at_import": {},
    "no_swallowed_errors": {},
    "no_placeholders": {
        (
            "perpkit_conformance.profile",
            f"VenueProfile.{name}",
        ): "a default that a profile overrides where its venue has any"
        for name in (
            "secrets",
            "bad_settings",
            "option_orders",
            "wrong_environment",
            "weighed",
            "error_replies",
            "error_classes",
            "hurry",
            "keeping",
            "live_settings",
            "live_addresses",
        )
    },
}

RULES: list[Rule] = [getattr(source_rules, name) for name in ALLOWED]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_sources_keep_the_rule(rule: Rule):
    """No module of the wheel breaks it, but for the places that say why; and each of those is still needed."""
    allowed = ALLOWED[rule.__name__]
    offences = [offence for module in source_modules() for offence in rule(module)]
    used = {(offence.module, offence.scope) for offence in offences}
    broken = [str(offence) for offence in offences if (offence.module, offence.scope) not in allowed]
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)
    assert not set(allowed) - used, f"no longer needed: {sorted(set(allowed) - used)}"


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        ("no_float_on_money_paths", "perpkit.core.quantize", "def f(price):\n    return float(price)"),
        ("no_float_on_money_paths", "perpkit.adapters.paradex.decode", "price = Decimal(0.1)"),
        ("no_float_on_money_paths", "perpkit.funding.rates", "x = decimal.Decimal(-1.5)"),
        ("no_float_on_money_paths", "perpkit.sim.ledger", "fee = float('1')"),
        ("no_float_fields", "perpkit.core.models.fill", "class Fill:\n    price: float"),
        ("no_float_fields", "perpkit.adapters.paradex.schema", "class Fill:\n    price: str | float | None = None"),
        ("only_the_clock_reads_time", "perpkit.core.venue", "from datetime import datetime\nx = datetime.now()"),
        ("only_the_clock_reads_time", "perpkit.core.venue", "import datetime as dt\nx = dt.datetime.now(dt.UTC)"),
        ("only_the_clock_reads_time", "perpkit.core.venue", "import time\nx = time.time()"),
        ("only_the_clock_reads_time", "perpkit.core.venue", "from time import sleep as nap\nnap(1)"),
        ("only_the_clock_reads_time", "perpkit.sim.engine", "import time\nf(clock=time.monotonic)"),
        ("nothing_volatile_at_import", "perpkit.core.venue", "def f(at=clock.now()):\n    return at"),
        ("nothing_volatile_at_import", "perpkit.core.venue", "def f(*, at=str(uuid.uuid4())):\n    return at"),
        ("nothing_volatile_at_import", "perpkit.core.venue", "class A:\n    nonce: int = time.time_ns() // 10"),
        ("nothing_volatile_at_import", "perpkit.core.venue", "SESSION = secrets.token_hex(8)"),
        ("nothing_volatile_at_import", "perpkit.core.venue", "class A:\n    class B:\n        n = random.random()"),
        ("no_swallowed_errors", "perpkit.core.venue", "try:\n    f()\nexcept:\n    raise"),
        ("no_swallowed_errors", "perpkit.core.venue", "try:\n    f()\nexcept Exception:\n    pass"),
        ("no_swallowed_errors", "perpkit.core.venue", "try:\n    f()\nexcept (OSError, BaseException):\n    ..."),
        ("no_swallowed_errors", "perpkit.core.venue", "with contextlib.suppress(Exception):\n    f()"),
        ("no_placeholders", "perpkit.core.venue", "def f():\n    pass"),
        ("no_placeholders", "perpkit.core.venue", "def f():\n    ..."),
        ("no_placeholders", "perpkit.core.venue", "def f():\n    'What it would do.'"),
        ("no_placeholders", "perpkit.core.venue", "async def f(self):\n    'Doc.'\n    return []"),
        ("no_placeholders", "perpkit.core.venue", "def f():\n    return {}"),
        ("no_placeholders", "perpkit.core.venue", "def f():\n    return None"),
        ("no_placeholders", "perpkit.core.venue", "def f():\n    raise NotImplementedError('later')"),
        ("no_placeholders", "perpkit.core.venue", "x = 1  # TO" + "DO: more"),
    ],
)
def test_a_planted_offence_is_caught(rule: str, name: str, text: str):
    """Each rule finds what it is for."""
    offences = list(getattr(source_rules, rule)(Module(name, text)))
    assert offences
    assert all(isinstance(offence, Offence) and offence.module == name for offence in offences)


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        ("no_float_on_money_paths", "perpkit.core.quantize", "price = Decimal('0.1')\nwait: float = 0.5"),
        ("no_float_on_money_paths", "perpkit.cli.render", "width = float(1)"),
        ("no_float_fields", "perpkit.core.transport.retry", "class Backoff:\n    first: float = 0.1"),
        ("only_the_clock_reads_time", "perpkit.core.clock", "import time\nx = time.time_ns()"),
        ("only_the_clock_reads_time", "perpkit.core.venue", "def f(clock):\n    return clock.now()"),
        ("nothing_volatile_at_import", "perpkit.core.venue", "def f(clock):\n    return clock.now()"),
        ("nothing_volatile_at_import", "perpkit.core.venue", "class A:\n    x = field(default_factory=lambda: now())"),
        ("no_swallowed_errors", "perpkit.core.venue", "try:\n    f()\nexcept KeyError:\n    pass"),
        ("no_swallowed_errors", "perpkit.core.venue", "try:\n    f()\nexcept Exception as e:\n    log(e)"),
        ("no_placeholders", "perpkit.core.hookspecs", "class A:\n    @first\n    def f(self):\n        'Doc.'"),
        ("no_placeholders", "perpkit.core.clock", "class A(Protocol):\n    def f(self):\n        ..."),
        ("no_placeholders", "perpkit.core.clock", "class A(Protocol[T]):\n    def f(self):\n        ..."),
        ("no_placeholders", "perpkit.core.base", "class A:\n    @abc.abstractmethod\n    def f(self):\n        ..."),
        ("no_placeholders", "perpkit.core.base", "@overload\ndef f() -> int: ...\ndef f():\n    return 1"),
        ("no_placeholders", "perpkit.core.base", "class MyError(Exception):\n    'Doc.'"),
    ],
)
def test_what_is_not_an_offence_is_let_through(rule: str, name: str, text: str):
    """No rule is so broad that good code trips over it."""
    assert not list(getattr(source_rules, rule)(Module(name, text)))


def test_no_file_names_a_registry_or_a_machine_path():
    """The project can be built anywhere: no file of it holds a package registry's host or this machine's paths."""
    offences = []
    for path in project_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        offences += [f"{path.name}: {word}" for word in forbidden_words(text)]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    "text",
    [
        "index-url = https://" + "pypi" + ".org/simple",
        "see " + "/wo" + "rk/main",
        'open("' + "/ro" + 'ot/key")',
        "cd " + "/home" + "/alice/perpkit",
    ],
)
def test_a_planted_registry_or_machine_path_is_caught(text: str):
    """The search finds each."""
    [found] = forbidden_words("first line\n" + text)
    assert found.startswith("line 2: ")


def test_a_path_of_the_project_or_of_a_venue_is_no_machine_path():
    """Relative paths, URL paths and globs pass."""
    for text in [
        "docs/work/index.md",
        "GET /v1/orders",
        "~/.config/perpkit",
        "a/root/b",
        "/workers",
        "https://x.y/work",
    ]:
        assert not list(forbidden_words(text)), text
