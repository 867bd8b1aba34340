"""
The SDK signer beside the real paradex-py, where both can be imported: the start-up check passes, and each side's
signatures verify. Prints ``agreed``.
"""

from __future__ import annotations

import json

from perpkit.adapters.paradex.encode import Unsigned
from perpkit.adapters.paradex.sdk_signer import SdkSigner, require_agreement, sdk_is_installed
from perpkit.adapters.paradex.signing import NativeSigner
from perpkit.crypto.stark import verify

ARGUMENTS = (
    0x1234567890ABCDEF,
    0x4638E3041366AA71720BE63E32E53E1223316C7F0D56F7AA617542ED1E7512,
    "PRIVATE_SN_POTC_SEPOLIA",
)
ORDER = Unsigned({}, "BTC-USD-PERP", "SELL", "LIMIT", 123_456_789, 6_512_345_000_000)


def main() -> None:
    if not sdk_is_installed():
        raise SystemExit("paradex-py is not seen")
    native, sdk = NativeSigner(*ARGUMENTS), SdkSigner(*ARGUMENTS)
    require_agreement(native, sdk)
    for signer in (native, sdk):
        r, s = (int(half) for half in json.loads(signer.sign_order(ORDER, 1_700_000_000_000)))
        if not verify(native.public_key, native.order_hash(ORDER, 1_700_000_000_000), r, s):
            raise SystemExit(f"{signer!r} signs what does not verify")
        r, s = (int(half) for half in json.loads(signer.sign_auth(1_700_000_000, 1_700_001_800)))
        if not verify(native.public_key, native.auth_hash(1_700_000_000, 1_700_001_800), r, s):
            raise SystemExit(f"{signer!r} signs in with what does not verify")
    print("agreed")


if __name__ == "__main__":
    main()
