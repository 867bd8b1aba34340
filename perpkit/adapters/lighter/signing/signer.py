"""One account's signer: which keys it has, and that what the library signed is what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from perpkit.adapters.lighter.config import VENUE
from perpkit.adapters.lighter.signing.library import ApiKey, SigningLibrary, signing_library
from perpkit.adapters.lighter.signing.tx import Signed, Tx
from perpkit.core.errors import ConfigError
from perpkit.core.transport import wire_json
from perpkit.core.transport.redact import Secret
from perpkit.crypto.ecgfp5 import public_key


class Signer:
    """
    Signs for one account on one chain.

    Args:
        keys: Private keys by API key index; the first signs auth tokens.
    """

    def __init__(self, keys: Mapping[int, Secret], *, chain_id: int) -> None:
        self._keys = dict(keys)
        self._chain_id = chain_id
        self._library: SigningLibrary | None = None

    def __repr__(self) -> str:
        return f"Signer(keys={self.key_indexes}, chain_id={self._chain_id})"

    @property
    def key_indexes(self) -> tuple[int, ...]:
        """The API keys that it signs with."""
        return tuple(self._keys)

    async def public_keys(self) -> dict[int, str]:
        """Return the public key of each private one, as the venue lists them: hex without 0x."""
        return await asyncio.to_thread(
            lambda: {index: _public_key(secret) for index, secret in self._keys.items()},
        )

    async def open(self) -> SigningLibrary:
        """
        Return the library, loaded.

        Raises:
            ConfigError: It can't be had.
        """
        if self._library is None:
            self._library = await asyncio.to_thread(signing_library)
        return self._library

    async def sign(self, tx: Tx, *, account: int, key_index: int, nonce: int) -> Signed:
        """
        Sign a transaction. What is returned is sent to the letter.

        Raises:
            ConfigError: The library can't be had, or signed something else than it was given.
            InvalidOrderError: The library refuses a field.
        """
        library = await self.open()
        info, digest = await library.sign(tx, nonce, self._key(account, key_index))
        due = {"AccountIndex": account, "ApiKeyIndex": key_index, **tx.fields(), "Nonce": nonce}
        require_same(info, due, tx.attributes())
        return Signed(code=tx.CODE, info=info, hash=digest, nonce=nonce)

    async def auth_token(self, deadline: int, *, account: int) -> str:
        """Return an auth token that is good until ``deadline``, seconds since 1970."""
        library = await self.open()
        return await library.auth_token(deadline, self._key(account, self.key_indexes[0]))

    def _key(self, account: int, index: int) -> ApiKey:
        return ApiKey(account, index, self._keys[index], self._chain_id)


def _public_key(secret: Secret) -> str:
    # The library has no function for it.
    return public_key(int.from_bytes(bytes.fromhex(secret.reveal()), "little")).hex()


def require_same(info: str, fields: Mapping[str, int], attributes: Mapping[str, int]) -> None:
    """
    Compare what the library wrote with what it was to sign.

    Raises:
        ConfigError: They differ; nothing was sent.
    """
    signed: dict[str, Any] = wire_json.decode(dict[str, Any], info, what="tx_info", venue=VENUE)
    wrong = [name for name, value in fields.items() if signed.get(name) != value]
    if (signed.get("L2TxAttributes") or {}) != attributes:
        wrong.append("L2TxAttributes")
    if wrong:
        msg = f"the signing library signed something else than it was given ({', '.join(wrong)}); nothing was sent"
        raise ConfigError(msg, venue=VENUE)
