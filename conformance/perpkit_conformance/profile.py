"""
:class:`VenueProfile`: what the suite must be told of a venue, and of nothing else: how to start its local exchange,
how to open the plugin on it, where faults strike, which contract holds, and what is waived until when.

A package supplies its own through the entry-point group ``perpkit.profiles``, or through a fixture ``venue_profile``.
"""

from __future__ import annotations

import copy
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, Self

from perpkit.core import plugins
from perpkit.core.capabilities import VenueDescription
from perpkit.core.errors import ConfigError, PerpkitError
from perpkit.core.opening import open_venue
from perpkit.core.venue import Venue
from perpkit.sim.control import Control
from perpkit_conformance.contract import Contract
from perpkit_conformance.names import Names
from perpkit_conformance.rules import rule

GROUP = "perpkit.profiles"
SEED = 20261121
DEPOSIT = Decimal(100_000)
LONGEST_WAIVER = timedelta(days=180)
_TOO_MANY = 429

_INSTALLED: dict[str, Any] = {}
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class LocalVenue(Protocol):
    """A local exchange, started with ``async with``; :class:`perpkit.sim.server.SimServer` is one."""

    @property
    def control(self) -> Control:
        """The back door."""
        ...

    @property
    def url(self) -> str:
        """Where its REST is."""
        ...

    @property
    def ws_url(self) -> str:
        """Where its WebSocket is."""
        ...

    async def start(self) -> None:
        """Listen."""
        ...

    async def stop(self) -> None:
        """Stop, and leave nothing behind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """
    A rule that a plugin may break for a while.

    It fails when it is stale: when its date has passed, and when the rule holds without it.

    Attributes:
        rule: The rule's id.
        reason: Why, in a sentence a user of the plugin can read.
        since: When it was granted.
        until: The last day on which it counts, at most 180 days later.
        whose: ``plugin`` or ``venue``: whose gap it is.

    Raises:
        ConfigError: No such rule, no reason, or a span that is not within 1 and 180 days.
    """

    rule: str
    reason: str
    since: date
    until: date
    whose: str = "plugin"

    def __post_init__(self) -> None:
        rule(self.rule)
        if len(self.reason.split()) < 3:
            raise ConfigError(f"the waiver of {self.rule} needs a reason, in a sentence")
        if self.whose not in {"plugin", "venue"}:
            raise ConfigError(f"the waiver of {self.rule}: whose={self.whose!r} is neither plugin nor venue")
        if not timedelta(days=1) <= self.until - self.since <= LONGEST_WAIVER:
            span = f"{self.since} to {self.until}"
            raise ConfigError(f"the waiver of {self.rule} spans {span}; 1 to {LONGEST_WAIVER.days} days are possible")

    def is_over(self, today: date) -> bool:
        """Tell whether its date has passed."""
        return today > self.until


class VenueProfile(ABC):
    """
    A venue under test.

    Attributes:
        name: The venue's entry point, and what stands after the ``@`` of a market id.
        markets: Perpetuals to trade in tests: perpkit's symbol to the venue's own. The first is used most; at least
            three, with different funding periods where the venue has such.
        settle_asset: What PnL is paid in.
        assets: What perpkit calls an asset that the exchange's ledger, in the venue's words, names otherwise.
        contract: What the venue publishes of its wire; None where it publishes nothing.
        not_offered: Claims and features (see :mod:`perpkit_conformance.claims`) that the venue itself has nothing for,
            with the reason. A plugin that claims one all the same fails.
        http_faults: Where a fault strikes the request behind a hook: ``{"place_order": "POST /v1/orders"}``.
        frame_faults: Where a fault strikes a channel's frames: ``{"orders": "orders.*"}``.
        unpublished: Fields of models that the venue publishes nowhere, so that None is right, with the reason:
            ``{"Position.mark_price": "..."}``.
            Where a venue lacks a state or a kind of data altogether, the names are ``Market.status:halted``,
            ``VenueStatus:maintenance`` and ``Candle:mark``.
        longest_life: How long an order without an expiry of ours stands at most; None for ever.
        market_rules: Rules of a market that a test lists, where the venue can't have the usual ones: a tick of 0.001
            where ticks are powers of ten. Names are those of :class:`perpkit.sim.markets.MarketSpec`.
        most_markets: How many markets the venue can list.
        amends_replace: An amendment is a new order, under a new id of the venue's and of ours.
        cancels_are_late: The answer to a cancel says only that it was taken; whether there was anything to cancel
            comes later, or not at all.
        names_late: The answer to an order holds no number of the venue's for it; that comes once it is carried out.
        zero_when_absent: Names of fields that the venue documents to be left out of a row where they are zero, so that
            reading zero there is no invention.
        shortest_switch: The least time after which a dead man's switch may act.
        keepalives: Frames that a client sends to keep a connection alive, or in answer to the venue's.
        clashing_ids: Two texts for which the plugin finds the same number; None where it finds none for any.
        longest_silence: After how long the venue lets a client go that sends no frame, however much it is sent; None
            where it does not.
        waivers: Rules that the plugin may break until a date.
        plugin: A plugin class in place of the installed one, for trying a plugin that is not installed.
        package: The package or module whose source is read; None takes the package that holds the plugin's class.
    """

    name: str
    markets: Mapping[str, str]
    settle_asset: str
    assets: Mapping[str, str] = _NOTHING
    contract: Contract | None = None
    not_offered: Mapping[str, str] = _NOTHING
    http_faults: Mapping[str, str] = _NOTHING
    frame_faults: Mapping[str, str] = _NOTHING
    unpublished: Mapping[str, str] = _NOTHING
    longest_life: timedelta | None = None
    market_rules: Mapping[str, Any] = _NOTHING
    most_markets: int = 1000
    amends_replace: bool = False
    cancels_are_late: bool = False
    names_late: bool = False
    zero_when_absent: frozenset[str] = frozenset()
    shortest_switch: timedelta = timedelta(minutes=1)
    keepalives: tuple[str, ...] = ()
    longest_silence: timedelta | None = None
    clashing_ids: tuple[str, str] | None = None
    waivers: tuple[Waiver, ...] = ()
    plugin: Any = None
    package: str | None = None

    @property
    def target_name(self) -> str:
        """What the plugin was run against, for the card."""
        source = f", contract {self.contract.source}" if self.contract is not None else ""
        return f"local {self.name}{source}"

    @abstractmethod
    def local(self, *, seed: int, accounts: int = 2, deposit: Decimal = DEPOSIT, **options: Any) -> LocalVenue:
        """Make the local exchange, not started, on a clock that only a test moves; ``options`` are its own."""

    @abstractmethod
    def account_id(self, local: LocalVenue, account: int) -> str:
        """Return what the exchange's ledger calls the account of that number, counted from 0."""

    def names(self, local: LocalVenue) -> Names:
        """Return what the wire calls orders, fills and payments, where that is not what the ledger calls them."""
        return Names()

    @abstractmethod
    def settings(self, local: LocalVenue, *, account: int = 0, key: str = "main") -> dict[str, Any]:
        """
        Return what ``open_venue`` needs to reach the local exchange: environment, addresses, credentials.

        Args:
            key: ``main``, ``none``, or another kind of credential that :meth:`key_kinds` lists.
        """

    def key_kinds(self) -> tuple[str, ...]:
        """Return the kinds of credential that the venue knows, ``none`` (public data only) left out."""
        return ("main",)

    def secrets(self, local: LocalVenue) -> list[str]:
        """Return every secret that the settings hold, which must appear nowhere."""
        return []

    def bad_settings(self, local: LocalVenue) -> Mapping[str, Mapping[str, Any]]:
        """Return settings whose credentials are malformed, by what is wrong: each must be refused, nothing sent."""
        return {}

    def wrong_environment(self, local: LocalVenue) -> Mapping[str, Any] | None:
        """Return settings that are well formed and belong to another environment; None where that can't be."""
        return None

    def option_orders(self, price: Callable[[str], str]) -> Mapping[str, Mapping[str, Any]]:
        """
        Return orders with the venue's own options, by what they are: fields of an intent to buy, or of another side.
        The account is long when they are sent, and each is canceled before the next.

        Args:
            price: Gives a share of the index, on the market's tick, as text.
        """
        return {}

    def row_names(self, symbol: str) -> tuple[object, ...]:
        """Return by what a row of an answer says of which market it is: the venue's symbol, or a number of it."""
        return (symbol,)

    def is_own_row(self, row: Any) -> bool:
        """Tell whether a row is about this venue, where its answers hold rows of other exchanges too."""
        return True

    def repeatable(self, body: bytes) -> bytes:
        """Return a request's body without what the venue's own signing draws anew each time, whatever the seed."""
        return body

    def is_throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too many requests came."""
        return status == _TOO_MANY

    def weighed(self, local: LocalVenue) -> int | None:
        """
        Return what the local exchange has counted requests as so far, reads that is, by the weights that the venue
        gives them; None where each counts as one.
        """
        return None

    def error_replies(self) -> Mapping[str, tuple[int, str]]:
        """Return status and body of each documented error, by the venue's code."""
        return {}

    def error_classes(self) -> Mapping[str, type[PerpkitError]]:
        """Return the class that a documented error must come as, by the venue's code, where its meaning leaves one."""
        return {}

    def hurry(self, limit: timedelta) -> dict[str, Any]:
        """Return settings by which a request is given up after so much real time; none where there are no such."""
        return {}

    def keeping(self, folder: Path) -> dict[str, Any]:
        """Return settings by which the plugin keeps in files what must outlive its process; none where nothing must."""
        return {}

    def live_settings(self, environment: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
        """Return what ``open_venue`` needs to reach a real environment; None where no credentials are set up."""
        return None

    def live_addresses(self, environment: str) -> tuple[str, str] | None:
        """Return REST and WebSocket address of a real environment, to hold what is sent there against the contract."""
        return None

    def with_plugin(self, plugin: Any) -> Self:
        """Return this profile with another plugin class under test; of its source that module alone is read."""
        if not isinstance(plugin, type):
            raise ConfigError(f"{plugin!r} is no plugin class")
        other = copy.copy(self)
        other.plugin, other.package = plugin, plugin.__module__
        return other

    def waiver(self, rule_id: str) -> Waiver | None:
        """Return the waiver of a rule, if there is one."""
        return next((each for each in self.waivers if each.rule == rule_id), None)

    def make(self, local: LocalVenue, *, account: int = 0, key: str = "main", **given: Any) -> Venue:
        """Make the venue under test, not opened; ``given`` goes to ``open_venue`` and wins over the settings."""
        settings = self.settings(local, account=account, key=key)
        return open_venue(self.name, **{"environ": {}, **settings, "plugin": self.plugin_class(), **given})

    def make_live(self, settings: Mapping[str, Any], **given: Any) -> Venue:
        """Make the venue under test for a real environment, not opened."""
        return open_venue(self.name, **{"environ": {}, **settings, "plugin": self.plugin, **given})

    def describe(self) -> VenueDescription:
        """Return what the plugin says of itself; no server is started and nothing is sent."""
        try:
            local = self.local(seed=SEED)
        except Exception as error:
            # A profile may raise anything; what is wrong then is not the plugin.
            msg = f"the profile makes no local exchange: {type(error).__name__}: {error}"
            raise ConfigError(msg) from error
        return self.make(local).description

    def plugin_class(self) -> Any:
        """Return the plugin under test, imported."""
        if self.plugin is not None:
            return self.plugin
        if self.name not in _INSTALLED:
            # Reading every distribution's entry points takes longer than a whole test.
            _INSTALLED[self.name] = plugins.load(self.name)
        return _INSTALLED[self.name]


def installed_profiles() -> dict[str, EntryPoint]:
    """Return the profiles that installed packages bring, by venue."""
    return {each.name: each for each in sorted(entry_points(group=GROUP), key=lambda each: each.name)}


def load_profile(venue: str, plugin: str | None = None) -> VenueProfile:
    """
    Return the profile of a venue, by its name or as ``module:object``.

    Args:
        plugin: ``module:class`` to test in place of the installed plugin.

    Raises:
        ConfigError: There is none, or what is there is no profile.
    """
    if ":" in venue:
        found = _load_object(venue)
    else:
        installed = installed_profiles()
        if venue not in installed:
            names = ", ".join(installed) or "none"
            msg = (
                f"no conformance profile for {venue!r} is installed (installed: {names}); a package brings one by the "
                f"entry point {GROUP}, or give module:object"
            )
            raise ConfigError(msg)
        found = _load_object(installed[venue].value)
    profile = found() if isinstance(found, type) else found
    if not isinstance(profile, VenueProfile):
        raise ConfigError(f"{venue}: {found!r} is no VenueProfile")
    return profile if plugin is None else profile.with_plugin(_load_object(plugin))


def _load_object(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        # Foreign code may raise anything at import, and some of it leaves.
        raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error
