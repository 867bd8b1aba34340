"""
The wire-contract checker: what a plugin sends, held against what its venue publishes.

Records of requests and frames (:mod:`perpkit.core.transport.recorder`) come in, breaches come out, each a sentence
like ``GET /api/v1/account: by='address' is not one of index, l1_address``. Nothing is sent.
"""

from perpkit_conformance.contract.breach import Breach
from perpkit_conformance.contract.documents import load_json, load_yaml, overlay
from perpkit_conformance.contract.forms import EmbeddedJson
from perpkit_conformance.contract.frames import FrameRules, JsonRpc
from perpkit_conformance.contract.rest import OpenApi
from perpkit_conformance.contract.sockets import JsonMessages, UrlStreams
from perpkit_conformance.contract.wire import Contract

__all__ = [
    "Breach",
    "Contract",
    "EmbeddedJson",
    "FrameRules",
    "JsonMessages",
    "JsonRpc",
    "OpenApi",
    "UrlStreams",
    "load_json",
    "load_yaml",
    "overlay",
]
