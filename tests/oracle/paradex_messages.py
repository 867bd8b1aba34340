"""
What paradex-py says of messages: requests come as JSON lines on stdin, answers go out as JSON lines. Runs in the oracle
environment, which need not hold perpkit.

A request: key, account, chain, and one of ``order`` or ``auth``; ``signature`` asks whether paradex-py accepts one.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

from paradex_py.account import utils
from paradex_py.common.order import Order, OrderSide, OrderType
from paradex_py.message.auth import build_auth_message
from paradex_py.message.order import build_modify_order_message, build_order_message


def message_of(request: dict[str, Any]) -> Any:
    chain = int.from_bytes(request["chain"].encode(), "big")
    if "auth" in request:
        return build_auth_message(chain, *request["auth"])
    fields = request["order"]
    order = Order(
        market=fields["market"],
        order_type=OrderType(fields["type"]),
        order_side=OrderSide(fields["side"]),
        size=Decimal(fields["size"]),
        limit_price=Decimal(fields["price"]),
        signature_timestamp=fields["timestamp"],
        order_id=fields.get("id"),
    )
    return (build_modify_order_message if order.id else build_order_message)(chain, order)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    key, account = int(request["key"], 16), int(request["account"], 16)
    message_hash = utils.typed_data_to_message_hash(message_of(request), account)
    public = utils.private_to_stark_key(key)
    told: dict[str, Any] = {"hash": str(message_hash), "public": str(public)}
    if request.get("sign"):
        told["signature"] = utils.flatten_signature(list(utils.message_signature(message_hash, key)))
    if "signature" in request:
        theirs = utils.unflatten_signature(request["signature"])
        told["accepts"] = bool(utils.verify_message_signature(message_hash, theirs, public))
    return told


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
