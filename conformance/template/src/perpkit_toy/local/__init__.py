"""
A local Toy: the venue's wire over perpkit's exchange and ledger.

It reads the contract for itself and imports nothing of the plugin, so that the two can only agree by both being right.
"""

from perpkit_toy.local.server import LocalToy

__all__ = ["LocalToy"]
