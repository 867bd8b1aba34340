"""
Settings of the Extended plugin: environments and options. Secrets are found in ``credentials.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from perpkit.core.models.base import NonNegative
from perpkit.core.settings import VenueSettings

VENUE = "extended"

ENVIRONMENTS = ("testnet", "mainnet", "local")


@dataclass(frozen=True, slots=True)
class Environment:
    """
    Where one Extended lives.

    Attributes:
        rest_url: With the version, as all paths are relative to it.
        ws_url: Of the streams with one address each (v1). ``stream.extended.exchange`` is a path segment, not a host.
        chain_id: What signatures are bound to, so that a testnet signature is worthless on mainnet.
        longest_life: How far ahead an order's expiry may lie; beyond it the venue answers 1135.
    """

    rest_url: str
    ws_url: str
    chain_id: str
    longest_life: timedelta


KNOWN_ENVIRONMENTS: Mapping[str, Environment] = {
    # Hosts and chain ids: the venue's SDK 2.6.0, `x10/config.py`, the same in every version since 0.0.17. The
    # documentation prints another testnet host for streams; the SDK is what its users run. Longest expiries: the
    # documentation, error 1135.
    "mainnet": Environment(
        "https://api.starknet.extended.exchange/api/v1",
        "wss://api.starknet.extended.exchange/stream.extended.exchange/v1",
        "SN_MAIN",
        timedelta(days=90),
    ),
    "testnet": Environment(
        "https://api.starknet.sepolia.extended.exchange/api/v1",
        "wss://api.starknet.sepolia.extended.exchange/stream.extended.exchange/v1",
        "SN_SEPOLIA",
        timedelta(days=28),
    ),
}

_STREAM_PATH = "/stream.extended.exchange/v1"
_REST_PATH = "/api/v1"
_SAFETY = timedelta(hours=1)
"""Kept from the longest expiry, for clocks that differ."""


class ExtendedSettings(VenueSettings):
    """
    What ``open_venue("extended", …)`` takes, credentials apart, beyond what every venue takes.

    Attributes:
        environment: ``local`` needs ``rest_url``; ``ws_url`` follows from it where it is not given.
        chain_id: Overrides the environment's. For ``local`` it is read from the server where it is not given.
        order_life: When an order without an expiry of its own expires: so long after it is signed. None takes the
            longest that the environment allows, less an hour. There is no good-till-canceled on this venue.
        immediate_life: The same for market and IOC orders: past it, one that nobody knows of never was.
        market_slippage: The worst price of a market order without ``max_slippage``: so far beyond the best opposite
            quote, as a fraction. The venue's own page uses 0.0075.
        builder_id: A builder who gets ``builder_fee`` on top of the venue's fee; neither is sent unless both are set.
        builder_fee: A fraction of notional.
        self_trade_protection: Among which orders ours may not trade: of this account, of all accounts of the wallet
            (``client``), or none (``disabled``).
        rate_limit: ``market_maker`` for addresses to which the venue has granted 60,000 requests in 5 minutes.
    """

    venue: ClassVar[str] = VENUE

    environment: Literal["testnet", "mainnet", "local"] = "testnet"
    chain_id: str | None = Field(default=None, min_length=1, max_length=31)
    order_life: timedelta | None = Field(default=None, gt=timedelta(0))
    immediate_life: timedelta = Field(default=timedelta(minutes=1), ge=timedelta(seconds=5))
    market_slippage: NonNegative = Field(default=Decimal("0.0075"), lt=1)
    builder_id: int | None = Field(default=None, gt=0)
    builder_fee: NonNegative | None = Field(default=None, lt=1)
    self_trade_protection: Literal["disabled", "account", "client"] = "account"
    rate_limit: Literal["standard", "market_maker"] = "standard"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.environment == "local" and self.rest_url is None:
            msg = "environment 'local' needs rest_url, for example http://127.0.0.1:8080/api/v1"
            raise ValueError(msg)
        if (self.builder_id is None) != (self.builder_fee is None):
            msg = "builder_id and builder_fee go together"
            raise ValueError(msg)
        if self.order_life is not None and self.order_life > self.longest_life:
            msg = f"order_life {self.order_life} is beyond the venue's longest, {self.longest_life}"
            raise ValueError(msg)
        return self

    @property
    def rest_base(self) -> str:
        """The REST base, version included, without a slash at the end."""
        return self.rest_url or KNOWN_ENVIRONMENTS[self.environment].rest_url

    @property
    def ws_base(self) -> str:
        """What the streams' own paths follow."""
        if self.ws_url is not None:
            return self.ws_url
        if self.rest_url is not None and self.environment == "local":
            return self.rest_url.replace("http", "ws", 1).removesuffix(_REST_PATH) + _STREAM_PATH
        return KNOWN_ENVIRONMENTS[self.environment].ws_url

    @property
    def known_chain_id(self) -> str | None:
        """The chain id, where it is known before the server is asked."""
        if self.chain_id is not None:
            return self.chain_id
        known = KNOWN_ENVIRONMENTS.get(self.environment)
        return known.chain_id if known else None

    @property
    def longest_life(self) -> timedelta:
        """How far ahead an expiry may lie; a server of one's own is taken for a testnet."""
        return KNOWN_ENVIRONMENTS["mainnet" if self.environment == "mainnet" else "testnet"].longest_life

    @property
    def resting_life(self) -> timedelta:
        """How long an order stands that names no expiry."""
        return self.order_life or self.longest_life - _SAFETY
