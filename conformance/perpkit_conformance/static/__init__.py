"""
What can be said of a plugin without running it: by reading its source, and by importing it in a process of its own.

A plugin class goes in, findings come out; each says where and what.
"""

from perpkit_conformance.static.importing import ImportReport, import_apart
from perpkit_conformance.static.reading import (
    Finding,
    blocking_calls,
    code_from_data,
    floats,
    frozen_at_import,
    placeholders,
)
from perpkit_conformance.static.sources import Source, sources_of

__all__ = [
    "Finding",
    "ImportReport",
    "Source",
    "blocking_calls",
    "code_from_data",
    "floats",
    "frozen_at_import",
    "import_apart",
    "placeholders",
    "sources_of",
]
