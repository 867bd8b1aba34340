"""
The refusals of the venue: one exception that becomes the REST envelope, one that becomes a JSON-RPC error.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """
    A refusal as the REST contract words it: ``{"error": code, "message": ..., "data": ...}``.

    Args:
        code: One of the contract's ``responses.ErrorCode`` values.
        message: What is wrong, which value, and what would be right.
        status: The HTTP status.
        data: Further detail, an object or nothing.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.data = data
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the envelope."""
        return {"error": self.code, "message": self.message, "data": self.data}


class RpcError(Exception):
    """
    A refusal on the WebSocket: ``{"code": ..., "message": ..., "data": ...}``.

    Args:
        code: A JSON-RPC code, or one of the venue's own (openrpc.json lists them per method).
        message: What is wrong.
        data: Further detail as text; for an order the REST error code.
    """

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, Any]:
        """Return the error member of the response."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
MALFORMED_BEARER = 40110
INVALID_BEARER = 40111
PERMISSION_DENIED = 40300
RATE_LIMITED = 42901
