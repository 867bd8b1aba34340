"""How schemas are read: what hangs on a condition, beside other conditions."""

from __future__ import annotations

from typing import Any

import pytest
from perpkit_conformance.contract.schemas import Schemas, problems

ORDER: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"enum": ["LIMIT", "MARKET", "TPSL"]},
        "timeInForce": {"type": "string"},
        "leg": {"$ref": "#/Leg"},
        "signature": {"type": "string"},
    },
    "allOf": [
        {
            "if": {"properties": {"type": {"const": "TPSL"}}},
            "then": {"required": ["leg"]},
            "else": {"required": ["signature"]},
        },
        {
            "if": {"properties": {"type": {"const": "MARKET"}}},
            "then": {"properties": {"timeInForce": {"$ref": "#/Now"}}},
        },
    ],
}
LEG = {"type": "object", "required": ["price"], "properties": {"price": {"type": "string"}}}

SCHEMAS = Schemas({"Order": ORDER, "Leg": LEG, "Now": {"enum": ["IOC"]}})


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ({"type": "LIMIT", "timeInForce": "GTT", "signature": "x"}, []),
        ({"type": "LIMIT", "timeInForce": "GTT"}, ["signature is required"]),
        ({"type": "MARKET", "timeInForce": "IOC", "signature": "x"}, []),
        ({"type": "MARKET", "timeInForce": "GTT", "signature": "x"}, ["timeInForce='GTT' is not one of IOC"]),
        ({"type": "TPSL", "timeInForce": "GTT", "leg": {"price": "1"}}, []),
        ({"type": "TPSL", "timeInForce": "GTT"}, ["leg is required"]),
        ({"type": "TPSL", "leg": {}}, ["leg.price is required"]),
    ],
)
def test_each_condition_of_a_schema_stands_for_itself(order, told):
    """What one of them asks for is asked for where it holds, and nowhere else."""
    assert list(problems(SCHEMAS.validator({"$ref": "#/Order"}), order)) == told


def test_a_field_that_only_a_condition_names_is_no_field():
    """A condition says more about known fields; it makes none."""
    told = list(problems(SCHEMAS.validator({"$ref": "#/Order"}), {"type": "TPSL", "leg": {"price": "1"}, "x": 1}))
    assert [each.split(";")[0] for each in told] == ["x is not a field"]
