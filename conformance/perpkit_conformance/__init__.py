"""The conformance suite for perpkit venue plugins."""
