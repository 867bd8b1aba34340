"""
An order's settlement signature: what is signed, in quantums, and the signature. Pure, given key, nonce and time.

Scheme: a SNIP-12 (revision 1) message hashed with Poseidon and signed on the Stark curve. Layout: the venue's
``rust-crypto-lib-base``, which is what ``fast-stark-crypto`` hashes with; scaling and rounding: the SDK 2.6.0,
``x10/signing/order_object_settlement.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Final

from perpkit.adapters.extended import endpoints, schema
from perpkit.adapters.extended.config import VENUE
from perpkit.core.errors import DecodeError, InvalidOrderError
from perpkit.core.models import Side
from perpkit.crypto.stark import sign as sign_hash
from perpkit.crypto.stark.perpetuals import Domain, PerpetualOrder, order_message_hash

DOMAIN_NAME: Final = "Perpetuals"
DOMAIN_VERSION: Final = "v0"
DOMAIN_REVISION: Final = 1

SETTLEMENT_BUFFER_S: Final = 14 * 24 * 3600
"""Signed orders outlive their expiry by 14 days, for the settlement on chain."""

_EXACT: Final = Context(prec=200)
_MOST_AMOUNT: Final = 2**63


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset of the settlement layer: its id, and how many quantums one unit has."""

    id: int
    resolution: int


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What signing and encoding need of a market beyond the core's model.

    Attributes:
        price_cap: How far above its reference a buy's price may lie, as a fraction; ``price_floor`` the same for a
            sell, below.
        max_position_value: In USD.
        is_rfq: Orders go to another path.
    """

    synthetic: Asset
    collateral: Asset
    price_cap: Decimal
    price_floor: Decimal
    max_position_value: Decimal
    is_rfq: bool

    @classmethod
    def of(cls, row: schema.Market) -> Terms:
        """
        Take them from a market's row.

        Raises:
            DecodeError: An id that is no number, or a resolution that is not above zero.
        """
        l2, rules = row.l2_config, row.trading_config
        return cls(
            synthetic=_asset(row.name, "synthetic", l2.synthetic_id, l2.synthetic_resolution),
            collateral=_asset(row.name, "collateral", l2.collateral_id, l2.collateral_resolution),
            price_cap=rules.limit_price_cap,
            price_floor=rules.limit_price_floor,
            max_position_value=rules.max_position_value,
            is_rfq=row.is_rfq,
        )


def _asset(market: str, what: str, identity: str, resolution: int) -> Asset:
    try:
        number = int(identity, 16)
    except ValueError:
        raise DecodeError(f"market {market}: {what}Id {identity!r} is not hexadecimal", venue=VENUE) from None
    if resolution <= 0:
        raise DecodeError(f"market {market}: {what}Resolution {resolution} is not above zero", venue=VENUE)
    return Asset(number, resolution)


@dataclass(frozen=True, slots=True)
class ToSign:
    """
    What one signature covers.

    Attributes:
        price: The worst price.
        fee: The highest fee rate accepted, builder's part included.
    """

    side: Side
    size: Decimal
    price: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Amounts:
    """In quantums: what is received is positive, what is given negative; the fee is never negative."""

    base: int
    quote: int
    fee: int


def amounts(order: ToSign, terms: Terms) -> Amounts:
    """
    Scale an order to quantums.

    A buyer signs both amounts rounded up, a seller rounded down, and both the fee rounded up. The product of size and
    price is not rounded before it is scaled.

    Raises:
        InvalidOrderError: An amount does not fit what the chain takes.
    """
    rounding = ROUND_CEILING if order.side is Side.BUY else ROUND_FLOOR
    value = _EXACT.multiply(order.size, order.price)
    base = _whole(_EXACT.multiply(order.size, Decimal(terms.synthetic.resolution)), rounding)
    quote = _whole(_EXACT.multiply(value, Decimal(terms.collateral.resolution)), rounding)
    fee = _whole(
        _EXACT.multiply(_EXACT.multiply(value, order.fee), Decimal(terms.collateral.resolution)), ROUND_CEILING
    )
    if not (0 < base < _MOST_AMOUNT and 0 < quote < _MOST_AMOUNT and 0 <= fee < _MOST_AMOUNT):
        msg = f"size {order.size} at {order.price} is too small or too large to be signed"
        raise InvalidOrderError(msg, venue=VENUE)
    sign = order.side.sign
    return Amounts(base * sign, -quote * sign, fee)


def _whole(value: Decimal, rounding: str) -> int:
    return int(value.to_integral_value(rounding=rounding, context=_EXACT))


def settlement_expiration(expiry_ms: int) -> int:
    """Return the seconds that are signed for an expiry in milliseconds."""
    return -(-expiry_ms // 1000) + SETTLEMENT_BUFFER_S


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """
    Signs for one position.

    Attributes:
        private_key: Shown nowhere.
        vault: The position's number, ``l2Vault``.
        chain_id: What the signature is bound to.
    """

    private_key: int
    public_key: int
    vault: int
    chain_id: str

    def __repr__(self) -> str:
        return f"Signer(vault={self.vault}, chain_id={self.chain_id!r})"

    def message_hash(self, order: ToSign, terms: Terms, *, expiry_ms: int, nonce: int) -> int:
        """Return the hash that is signed."""
        scaled = amounts(order, terms)
        message = PerpetualOrder(
            position_id=self.vault,
            base_asset=terms.synthetic.id,
            base_amount=scaled.base,
            quote_asset=terms.collateral.id,
            quote_amount=scaled.quote,
            fee_asset=terms.collateral.id,
            fee_amount=scaled.fee,
            expiration=settlement_expiration(expiry_ms),
            salt=nonce,
        )
        domain = Domain(DOMAIN_NAME, DOMAIN_VERSION, self.chain_id, DOMAIN_REVISION)
        return order_message_hash(message, signer=self.public_key, domain=domain)

    def settlement(self, order: ToSign, terms: Terms, *, expiry_ms: int, nonce: int) -> dict[str, Any]:
        """
        Return the signed ``settlement`` of an order or of one of its legs.

        Raises:
            ConfigError: The signing library is not installed.
            InvalidOrderError: The amounts can't be signed.
        """
        if not 1 <= nonce <= endpoints.MAX_NONCE:
            raise ValueError(f"nonce {nonce} is not from 1 to {endpoints.MAX_NONCE}")
        r, s = sign_hash(self.private_key, self.message_hash(order, terms, expiry_ms=expiry_ms, nonce=nonce))
        return {
            "signature": {"r": hex(r), "s": hex(s)},
            "starkKey": hex(self.public_key),
            "collateralPosition": str(self.vault),
        }


@dataclass(frozen=True, slots=True)
class Unsigned:
    """
    A request without its signatures, and what each of them covers.

    Attributes:
        body: What is sent, without ``nonce``, ``expiryEpochMillis`` and the settlements.
        main: What the order's own signature covers; None for a TPSL order, which has those of its legs alone.
        legs: The same by ``takeProfit`` and ``stopLoss``; each leg has a signature of its own.
    """

    body: Mapping[str, Any]
    terms: Terms
    main: ToSign | None
    legs: Mapping[str, ToSign]
    expiry_ms: int

    def signed(self, signer: Signer, nonce: int) -> dict[str, Any]:
        """Return the body with nonce, expiry and signatures. Legs share the order's nonce and expiry."""

        def settle(what: ToSign) -> dict[str, Any]:
            return signer.settlement(what, self.terms, expiry_ms=self.expiry_ms, nonce=nonce)

        body = {**self.body, "expiryEpochMillis": self.expiry_ms, "nonce": str(nonce)}
        if self.main is not None:
            body["settlement"] = settle(self.main)
        for name, covered in self.legs.items():
            body[name] = {**body[name], "settlement": settle(covered)}
        return body
