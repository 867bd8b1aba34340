"""
Fixed facts of the local venue: chain id, contract addresses and class hashes, as ``GET /system/config`` gives them.

Addresses and hashes are the contract's own examples; nothing listens behind them.
"""

from __future__ import annotations

from typing import Any

CHAIN_IDS = {"prod": "PRIVATE_SN_PARACLEAR_MAINNET", "testnet": "PRIVATE_SN_POTC_SEPOLIA"}
"""The Starknet chain id of each environment, part of everything that is signed."""

SETTLEMENT_ASSET = "USDC"
SETTLEMENT_ASSET_ADDRESS = "0x6f373b346561036d98ea10fb3e60d2f459c872b1933b50b21fe6ef4fda3b75e"
PARACLEAR_ADDRESS = "0x4638e3041366aa71720be63e32e53e1223316c7f0d56f7aa617542ed1e7554d"
ACCOUNT_HASH = "0x033434ad846cdd5f23eb73ff09fe6fddd568284a0fb7d1be20ee482f044dabe2"
PROXY_HASH = "0x3530cc4759d78042f1b543bf797f5f3d647cde0388c33734cf91b7f7b9314a9"

_L1_ADDRESS = "0x63e762538C70442758Fd622116d817761c94FD6A"


def system_config(environment: str, chain_id: str) -> dict[str, Any]:
    """Return the body of ``GET /system/config``."""
    return {
        "assets_limit_per_account": 550,
        "block_explorer_url": "http://127.0.0.1/",
        "bridged_tokens": [
            {
                "name": "USD Coin",
                "symbol": SETTLEMENT_ASSET,
                "decimals": 6,
                "l1_token_address": "0x29A873159D5e14AcBd63913D4A7E2df04570c666",
                "l1_bridge_address": "0x8586e05adc0C35aa11609023d4Ae6075Cb813b4C",
                "l2_token_address": SETTLEMENT_ASSET_ADDRESS,
                "l2_bridge_address": "0x46e9237f5408b5f899e72125dd69bd55485a287aaf24663d3ebe00d237fc7ef",
            }
        ],
        "dime_staking_contract_address": PARACLEAR_ADDRESS,
        "environment": environment,
        "l1_chain_id": "5",
        "l1_core_contract_address": "0x182FE62c57461d4c5Ab1aE6F04f1D51aA1607daf",
        "l1_operator_address": _L1_ADDRESS,
        "l1_relayer_address": _L1_ADDRESS,
        "l2_relayer_address": _L1_ADDRESS,
        "liquidation_fee": "0.20",
        "oracle_address": "0x47c622ce5f7ff7fa17725df596f4f506364e49be0621eb142a75b44ee3689c6",
        "paraclear_account_hash": ACCOUNT_HASH,
        "paraclear_account_proxy_hash": PROXY_HASH,
        "paraclear_address": PARACLEAR_ADDRESS,
        "paraclear_decimals": 8,
        "paraclear_evm_account_hash": "",
        "partial_liquidation_buffer": "0.2",
        "partial_liquidation_share_increment": "0.05",
        "starknet_chain_id": chain_id,
        "starknet_fullnode_rpc_base_url": "http://127.0.0.1",
        "starknet_fullnode_rpc_url": "http://127.0.0.1/rpc",
        "starknet_gateway_url": "",
        "universal_deployer_address": "0x1f3f9d3f1f0b7f3f9f3f9f3f9f3f9f3f9f3f9f3f",
    }
