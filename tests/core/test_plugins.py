"""Plugins are found by entry point, isolated when broken, and checked when they are registered."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from perpkit.core import plugins
from perpkit.core.capabilities import VenueDescription
from perpkit.core.errors import ConfigError, PluginError
from perpkit.core.hookspecs import hookimpl


def _install(folder: Path, name: str, entries: str, modules: dict[str, str]) -> None:
    """Lay down what an installed distribution looks like."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(entries, encoding="utf-8")
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path that tests install plugins into."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_plugin_that_fails_to_import_is_reported_and_the_others_still_load(site: Path) -> None:
    """One broken third party must not take the venue beside it down."""
    _install(
        site,
        "good-venue",
        "[perpkit.venues]\ngoodvenue = goodvenue_mod:Plugin\n",
        {"goodvenue_mod": "class Plugin: ..."},
    )
    _install(
        site,
        "bad-venue",
        "[perpkit.venues]\nbadvenue = badvenue_mod:Plugin\n",
        {"badvenue_mod": "import not_there_at_all"},
    )

    found = {report.name: report for report in plugins.installed(load=True)}

    assert found["goodvenue"].error is None
    assert found["goodvenue"].distribution == "good-venue 1.2"
    assert "not_there_at_all" in (found["badvenue"].error or "")
    assert plugins.load("goodvenue").__name__ == "Plugin"
    with pytest.raises(PluginError, match=r"badvenue.*bad-venue 1\.2.*not_there_at_all"):
        plugins.load("badvenue")


def test_listing_plugins_imports_none_of_them(site: Path) -> None:
    """A listing is metadata only."""
    _install(
        site,
        "lazy-venue",
        "[perpkit.venues]\nlazyvenue = lazyvenue_mod:Plugin\n",
        {"lazyvenue_mod": "class Plugin: ..."},
    )

    assert "lazyvenue" in [report.name for report in plugins.installed()]

    assert "lazyvenue_mod" not in sys.modules


def test_an_unknown_venue_is_refused_with_the_names_that_exist() -> None:
    """The way out of a typo is the list."""
    with pytest.raises(ConfigError, match=r"no venue plugin named 'paradx' is installed \(installed: .*paradex"):
        plugins.load("paradx")


def test_a_name_brought_by_two_packages_is_refused(site: Path) -> None:
    """Which of two plugins trades must not depend on the order of a directory listing."""
    for number in (1, 2):
        _install(
            site,
            f"twin{number}",
            f"[perpkit.venues]\ntwin = twin{number}_mod:P\n",
            {f"twin{number}_mod": "class P: ..."},
        )
    with pytest.raises(PluginError, match=r"more than one package.*twin1.*twin2|more than one package.*twin2.*twin1"):
        plugins.load("twin")


class _Least:
    @hookimpl
    def describe_venue(self) -> VenueDescription:
        raise NotImplementedError

    @hookimpl
    async def fetch_markets(self) -> list[object]:
        raise NotImplementedError


class _Misspelt(_Least):
    @hookimpl
    async def fetch_postions(self) -> list[object]:
        raise NotImplementedError


class _UnknownArgument(_Least):
    @hookimpl
    async def fetch_ticker(self, market: object, sybmol: str) -> object:
        raise NotImplementedError


class _SyncWhereAsync(_Least):
    @hookimpl
    def fetch_balances(self) -> list[object]:
        raise NotImplementedError


class _AsyncWhereSync(_Least):
    @hookimpl
    async def open_stream(self, channels: object) -> object:
        raise NotImplementedError


class _NoMarkets:
    @hookimpl
    def describe_venue(self) -> VenueDescription:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (_Misspelt(), ["broken", "fetch_postions"]),
        (_UnknownArgument(), ["broken", "fetch_ticker", "sybmol"]),
        (_SyncWhereAsync(), ["broken", "fetch_balances", "async"]),
        (_AsyncWhereSync(), ["broken", "open_stream", "plain function"]),
        (_NoMarkets(), ["broken", "fetch_markets", "required"]),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)
def test_a_plugin_that_breaks_the_interface_is_refused_by_name_and_hook(plugin: object, words: list[str]) -> None:
    """Level 0 of conformance: found when it is registered, not when it first trades."""
    with pytest.raises(PluginError) as caught:
        plugins.register(plugin, "broken")
    for word in words:
        assert word in str(caught.value)


def test_a_plugin_with_fewer_arguments_than_the_hook_has_is_accepted() -> None:
    """An old plugin keeps working when a hook grows an argument."""

    class Old(_Least):
        @hookimpl
        async def fetch_trades(self, market: object) -> list[object]:
            raise NotImplementedError

    manager = plugins.register(Old(), "old")
    assert plugins.implemented_hooks(manager) == {"describe_venue", "fetch_markets", "fetch_trades"}


def test_middleware_that_is_no_wrapper_is_refused() -> None:
    """A plain implementation in a wrapper's place would answer instead of the venue."""

    class Plain:
        @hookimpl
        async def fetch_balances(self) -> list[object]:
            raise NotImplementedError

    with pytest.raises(PluginError, match=r"Plain.*fetch_balances.*wrapper"):
        plugins.register(_Least(), "least", [Plain()])


def test_the_first_wrapper_is_the_outermost() -> None:
    """The order that users write is the order in which calls pass."""
    passed: list[str] = []

    class Outer:
        @hookimpl(wrapper=True)
        def describe_venue(self):
            passed.append("outer")
            return (yield)

    class Inner:
        @hookimpl(wrapper=True)
        def describe_venue(self):
            passed.append("inner")
            return (yield)

    class Quiet(_Least):
        @hookimpl
        def describe_venue(self) -> str:
            return "described"

    manager = plugins.register(Quiet(), "quiet", [Outer(), Inner()])
    assert manager.hook.describe_venue() == "described"
    assert passed == ["outer", "inner"]
