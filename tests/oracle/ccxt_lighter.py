"""
ccxt's lighter class, unmodified, opened on a local Lighter.

Only configuration is given to the client: its URLs, the account's key, where the signer library of lighter-sdk is, and
that no builder fee is wanted.
"""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ccxt.pro as ccxt
import lighter

SYMBOL = "ETH/USDC:USDC"


@asynccontextmanager
async def opened(request: dict[str, Any]) -> AsyncIterator[Any]:
    """Open the client on the account that a request names, and close it at the end."""
    account, slot = request["account_index"], request["api_key_index"]
    client = ccxt.lighter(
        {
            "privateKey": "0x" + "11" * 32,
            "enableRateLimit": False,
            "options": {
                "builderFee": False,
                "accountIndex": account,
                "apiKeyIndex": slot,
                "libraryPath": library(),
                "auths": {str(account): {str(slot): {"lighterPrivateKey": request["private_key"], "signer": None}}},
            },
        }
    )
    client.urls["api"] = {**dict.fromkeys(("root", "public", "private"), request["url"]), "ws": request["ws_url"]}
    try:
        yield client
    finally:
        await client.close()


def library() -> str:
    """Return the signer library of this machine, as lighter-sdk's wheel has it."""
    system = {"Linux": ("linux", "so"), "Darwin": ("darwin", "dylib")}[platform.system()]
    machine = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "amd64"
    return str(Path(lighter.__file__).parent / "signers" / f"lighter-signer-{system[0]}-{machine}.{system[1]}")
