"""
The official SDK as the signer, and the check that it and the native signer agree. paradex-py is imported on first
use: it takes seconds and a hundred megabytes, so never in the event loop.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from perpkit.adapters.paradex.config import VENUE
from perpkit.adapters.paradex.encode import Unsigned
from perpkit.adapters.paradex.signing import Signer, wire_signature
from perpkit.core.errors import ConfigError

_SCALE = Decimal(10) ** -8


def sdk_is_installed() -> bool:
    """Tell whether paradex-py can be imported, without importing it."""
    return find_spec("paradex_py") is not None


@cache
def _sdk() -> Any:
    try:
        from paradex_py.account import utils  # noqa: PLC0415 - an optional dependency, slow to import
        from paradex_py.common import order as orders  # noqa: PLC0415
        from paradex_py.message.auth import build_auth_message  # noqa: PLC0415
        from paradex_py.message.order import build_modify_order_message, build_order_message  # noqa: PLC0415
    except ImportError as exc:
        msg = f"signer='sdk' needs paradex-py ({exc}): run `pip install 'perpkit[paradex-sdk]'`"
        raise ConfigError(msg, venue=VENUE) from exc
    return SimpleNamespace(
        utils=utils,
        orders=orders,
        auth=build_auth_message,
        order=build_order_message,
        modify=build_modify_order_message,
    )


class SdkSigner:
    """
    Signs with paradex-py's own messages, hashing and signature. About six times slower than the native signer.

    Args:
        private_key: The main account's key, or a subkey's.
        account: The MAIN account's address.
        chain_id: As in :class:`NativeSigner`.

    Raises:
        ConfigError: paradex-py is not installed.
    """

    def __init__(self, private_key: int, account: int, chain_id: str) -> None:
        self._sdk = _sdk()
        self._key = private_key
        self._account = account
        self._chain_id = int.from_bytes(chain_id.encode("ascii"), "big")
        self._public_key = int(self._sdk.utils.private_to_stark_key(private_key))

    def __repr__(self) -> str:
        return f"SdkSigner(public_key={self._public_key:#x})"

    @property
    def public_key(self) -> int:
        """The signing key's public key."""
        return self._public_key

    def order_hash(self, order: Unsigned, timestamp_ms: int) -> int:
        """Return what is signed for a new order or a modification."""
        orders = self._sdk.orders
        foreign = orders.Order(
            market=order.market,
            order_type=orders.OrderType(order.type),
            order_side=orders.OrderSide(order.side),
            size=_exact(order.size),
            limit_price=_exact(order.price),
            signature_timestamp=timestamp_ms,
            order_id=order.order_id,
        )
        build = self._sdk.modify if order.order_id is not None else self._sdk.order
        return self._hash(build(self._chain_id, foreign))

    def auth_hash(self, timestamp: int, expiration: int) -> int:
        """Return what is signed to sign in."""
        return self._hash(self._sdk.auth(self._chain_id, timestamp, expiration))

    def sign_order(self, order: Unsigned, timestamp_ms: int) -> str:
        """Return the signature of a new order or a modification."""
        return self._sign(self.order_hash(order, timestamp_ms))

    def sign_auth(self, timestamp: int, expiration: int) -> str:
        """Return the signature of a sign-in."""
        return self._sign(self.auth_hash(timestamp, expiration))

    def _hash(self, message: Any) -> int:
        return int(self._sdk.utils.typed_data_to_message_hash(message, self._account))

    def _sign(self, message_hash: int) -> str:
        r, s = self._sdk.utils.message_signature(msg_hash=message_hash, priv_key=self._key)
        return wire_signature(r, s)


def _exact(quantums: int) -> Decimal:
    """Undo the scaling. The SDK scales back with 28 digits, more than any market's largest number has."""
    return Decimal(quantums) * _SCALE


def _samples() -> list[tuple[Unsigned, int]]:
    """Return messages that between them touch every field: each side, a market order, many digits, a modification."""
    shapes = [
        ("BTC-USD-PERP", "BUY", "LIMIT", 123_456_789, 6_512_345_000_000, None),
        ("kPEPE-USD-PERP", "SELL", "MARKET", 10**17, 0, None),
        ("ETH-USD-PERP", "SELL", "STOP_LOSS_LIMIT", 1, 10**18 - 1, None),
        ("SOL-USD-PERP", "BUY", "LIMIT", 30_000_000, 5_000_000_000, "1721903808500201709220290000"),
    ]
    return [
        (Unsigned({}, market, side, kind, size, price, order_id), 1_700_000_000_000 + number)
        for number, (market, side, kind, size, price, order_id) in enumerate(shapes)
    ]


def require_agreement(one: Signer, other: Signer) -> None:
    """
    Compare two signers' hashes over messages of every kind.

    Raises:
        ConfigError: They differ, so one of them signs what the venue will not read; nothing may be signed.
    """
    pairs = [("sign-in", one.auth_hash(1_700_000_000, 1_700_086_400), other.auth_hash(1_700_000_000, 1_700_086_400))]
    pairs += [
        (f"{order.type} {order.side} {order.market}", one.order_hash(order, at), other.order_hash(order, at))
        for order, at in _samples()
    ]
    if one.public_key != other.public_key:
        pairs.append(("public key", one.public_key, other.public_key))
    different = [what for what, ours, theirs in pairs if ours != theirs]
    if different:
        msg = (
            f"the native signer and paradex-py disagree on {', '.join(different)}: not trading. Update perpkit and "
            "paradex-py; until they agree neither may sign"
        )
        raise ConfigError(msg, venue=VENUE)
