"""
Claims: a plugin's capabilities as flat names, so that tests can need them, profiles can say that the venue has nothing
for them, and the card can print them beside the evidence.

A hook is its own name; the rest is written ``channel:book``, ``order_type:limit``, ``time_in_force:ioc``,
``post_only``, ``reduce_only``, ``batches``, ``self_trade_prevention:expire_maker``, ``trigger:mark``,
``margin_mode:cross``, ``funding:continuous``, ``async_acceptance``, ``candles:60``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perpkit.core.capabilities import Capabilities

FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "sign_in": "a request that signs in, whose token ends",
        "sub_keys": "a second key that acts for the account",
        "keys_apart": "an account named apart from its key, or by two secrets, so that another's can be mixed in",
        "malformed_credentials": "credentials with a form, so that nonsense can be told before it is sent",
        "environments_apart": "credentials or signatures that hold in one environment only",
        "error_codes": "a documented list of error codes",
        "accept_window": "an order that the venue does not take any more after a time that we choose",
        "private_reads": "anything of an account that can be read",
        "several_funding_periods": "markets with different funding periods",
        "funding_period_changes": "a funding period that the venue may change",
        "trigger_amendments": "a waiting order whose trigger can be changed",
        "shared_connections": "a connection that carries several channels of market data",
        "channel_refusals": "a message that asks for a channel, so that the channel alone can be refused",
    }
)
"""What a venue may have or lack beside what plugins claim; a profile's ``not_offered`` may name these too."""

_PLUMBING = frozenset({"describe_venue", "start", "stop"})
"""Hooks that nobody chooses a venue by."""


def claims_of(capabilities: Capabilities) -> frozenset[str]:
    """Return everything that a plugin claims."""
    found = set(capabilities.hooks) - _PLUMBING
    for kind, values in (
        ("channel", capabilities.channels),
        ("order_type", capabilities.order_types),
        ("time_in_force", capabilities.times_in_force),
        ("self_trade_prevention", capabilities.self_trade_prevention),
        ("trigger", capabilities.trigger_kinds),
        ("margin_mode", capabilities.margin_modes),
    ):
        found |= {f"{kind}:{value.value}" for value in values}
    found |= {f"candles:{int(each.total_seconds())}" for each in capabilities.candle_intervals}
    if capabilities.funding_accrual is not None:
        found.add(f"funding:{capabilities.funding_accrual.value}")
    flags = {
        "post_only": capabilities.post_only,
        "reduce_only": capabilities.reduce_only,
        "async_acceptance": capabilities.async_acceptance,
        "batches": capabilities.max_batch_size > 1,
    }
    return frozenset(found | {name for name, is_set in flags.items() if is_set})


def every_claim() -> frozenset[str]:
    """Return every name that a claim may have, candle intervals left out."""
    from perpkit.core import hookspecs  # noqa: PLC0415 - the suite's plugin is loaded in runs without perpkit
    from perpkit.core.models import (  # noqa: PLC0415
        Channel,
        FundingAccrual,
        MarginMode,
        OrderType,
        PriceKind,
        SelfTradePrevention,
        TimeInForce,
    )

    hooks = {name for spec in hookspecs.SPECS for name in vars(spec) if not name.startswith("_")}
    kinds = {
        "channel": Channel,
        "order_type": OrderType,
        "time_in_force": TimeInForce,
        "self_trade_prevention": SelfTradePrevention,
        "trigger": PriceKind,
        "margin_mode": MarginMode,
        "funding": FundingAccrual,
    }
    values = {f"{kind}:{each.value}" for kind, members in kinds.items() for each in members}
    return frozenset(hooks - _PLUMBING | values | {"post_only", "reduce_only", "async_acceptance", "batches"})
