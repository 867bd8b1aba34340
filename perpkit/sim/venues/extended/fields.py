"""
Fields of a JSON body: present, of the right type, listed by the contract. What is wrong is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from perpkit.sim.venues.extended.errors import ApiError, Code

_PLAIN = re.compile(r"-?[0-9]{1,28}(\.[0-9]{1,28})?")
_LOOSE = re.compile(r"-?[0-9]{1,28}(\.[0-9]{1,28})?([eE][+-]?[0-9]{1,2})?")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")
_MAX_MILLIS = 10**15


class Fields:
    """
    The fields of one object of a request.

    Args:
        value: The object, as JSON had it.
        where: How it is called in messages, such as ``takeProfit``.
        known: Every name that the contract lists for it.
        strict: Refuse what is not listed; otherwise ``note`` is told.
        code: Of the refusals.

    Raises:
        ApiError: It is no object, or has fields that are not listed.
    """

    def __init__(
        self,
        value: Any,
        where: str,
        known: Collection[str],
        *,
        strict: bool,
        note: Callable[[str], None],
        code: Code | int = Code.INVALID_ORDER_PARAMETERS,
    ) -> None:
        self._where = where
        self._code = code
        self._strict = strict
        self._note = note
        if not isinstance(value, dict):
            raise self.refusal(f"{where} is {type(value).__name__}, not an object")
        # What is null is not there: the venue's own SDK leaves such fields out, other clients may not.
        self._values: Mapping[str, Any] = {name: item for name, item in value.items() if item is not None}
        for name in sorted(set(self._values) - set(known)):
            self._beyond(f"{where}: there is no field {name!r}")

    def refusal(self, problem: str, code: Code | int | None = None) -> ApiError:
        """Return the refusal of this object for a reason."""
        return ApiError(self._code if code is None else code, "Invalid request parameters", debug=problem)

    def has(self, name: str) -> bool:
        """Tell whether a field is given."""
        return name in self._values

    def object(self, name: str) -> Any:
        """Return a field as JSON had it; None if absent."""
        return self._values.get(name)

    def text(self, name: str, *, enum: Collection[str] = (), default: str | None = None) -> str:
        """Return a text field; required without a default."""
        value = self._values.get(name, default)
        if value is None:
            raise self.refusal(f"{self._where}: {name} is missing")
        if not isinstance(value, str) or not value:
            raise self.refusal(f"{self._where}: {name} is {value!r}, not text")
        if enum and value not in enum:
            raise self.refusal(f"{self._where}: {name}={value!r} is not one of {', '.join(enum)}")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean; false if absent."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise self.refusal(f"{self._where}: {name} is {value!r}, not true or false")
        return value

    def integer(self, name: str) -> int:
        """Return a required JSON integer."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_MILLIS:
            raise self.refusal(f"{self._where}: {name} is {value!r}, not a whole number")
        return value

    def decimal(self, name: str, *, missing: Code | int | None = None) -> Decimal:
        """Return a required decimal, which the wire writes as text in plain digits."""
        value = self._values.get(name)
        if value is None:
            raise self.refusal(f"{self._where}: {name} is missing", missing)
        if isinstance(value, str) and _PLAIN.fullmatch(value):
            return Decimal(value)
        if isinstance(value, str) and _LOOSE.fullmatch(value):
            self._beyond(f"{self._where}: {name} is written with an exponent")
            return Decimal(value)
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            self._beyond(f"{self._where}: {name} is a JSON number, not text")
            return Decimal(value)
        raise self.refusal(f"{self._where}: {name} is {value!r}, not a decimal in text")

    def felt(self, name: str) -> int:
        """Return a required hex number with 0x."""
        value = self._values.get(name)
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise self.refusal(f"{self._where}: {name} is {value!r}, not hex with 0x")
        return int(value, 16)

    def texts(self, name: str, *, numbers: bool = False) -> list[str]:
        """Return a list of texts (with ``numbers`` integers too, written out); empty if absent."""
        value = self._values.get(name, [])
        kinds: tuple[type, ...] = (str, int) if numbers else (str,)
        if not isinstance(value, list) or not all(
            isinstance(item, kinds) and not isinstance(item, bool) for item in value
        ):
            raise self.refusal(f"{self._where}: {name} is {value!r}, not a list")
        return [str(item) for item in value]

    def _beyond(self, problem: str) -> None:
        if self._strict:
            raise self.refusal(problem)
        self._note(problem)
