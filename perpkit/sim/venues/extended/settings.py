"""
How a local Extended behaves, and the fixed facts of the instance that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

REST_PREFIX = "/api/v1"
STREAM_PREFIX = "/stream.extended.exchange"
"""A segment of the path, not a host."""

COLLATERAL = "USD"
"""What the wire calls it; people say USDC."""
COLLATERAL_ID = "0x1"
COLLATERAL_RESOLUTION = 1_000_000
CONTRACT_ADDRESS = "0x062da0780fae50d68cecaa5a051606dc21217ba290969b302db4dd99d2e9b470"

CHAIN_IDS = {"mainnet": "SN_MAIN", "testnet": "SN_SEPOLIA"}
MAX_EXPIRY = {"mainnet": timedelta(days=90), "testnet": timedelta(days=28)}
DOMAIN_NAME, DOMAIN_VERSION, DOMAIN_REVISION = "Perpetuals", "v0", 1


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How a local Extended behaves.

    Attributes:
        seed: Keys, ids and prices follow from it.
        environment: ``mainnet`` or ``testnet``: whose chain id orders are signed for, and how far away they expire.
        strict: Refuse query parameters, body fields and enum values that the contract does not list, and an order whose
            signed message was used before. Otherwise they pass and are noted.
        limits_scale: Divides the rate limit; 0 turns it off.
        sends_triggered: Tell of a conditional order in the passing status TRIGGERED too, which the venue has and its
            SDK's model of an order does not.
    """

    seed: int = 7
    environment: str = "mainnet"
    strict: bool = True
    limits_scale: int = 1
    sends_triggered: bool = True

    @property
    def chain_id(self) -> str:
        """Return the Starknet chain id that orders are signed for."""
        return CHAIN_IDS[self.environment]

    @property
    def max_expiry(self) -> timedelta:
        """Return how far from now an order may expire."""
        return MAX_EXPIRY[self.environment]
