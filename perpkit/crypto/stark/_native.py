"""
The compiled libraries beneath, imported on first use so that perpkit itself imports without them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from perpkit.core.errors import ConfigError

_INSTALL_HINT = "Starknet signing needs {package}, which is not installed: run `pip install 'perpkit[paradex]'`"


@cache
def stark() -> Any:
    """
    Return ``fast_stark_crypto.lib``: curve operations in Rust.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        from fast_stark_crypto import lib  # noqa: PLC0415 - an optional dependency
    except ImportError as exc:
        raise ConfigError(_INSTALL_HINT.format(package="fast-stark-crypto")) from exc
    return lib


@cache
def _keccak() -> Any:
    try:
        from Crypto.Hash import keccak  # noqa: PLC0415 - an optional dependency
    except ImportError as exc:
        raise ConfigError(_INSTALL_HINT.format(package="pycryptodome")) from exc
    return keccak


def keccak256(data: bytes) -> bytes:
    """Return the 32 bytes of Keccak-256."""
    return cast("bytes", _keccak().new(digest_bits=256, data=data).digest())
