"""Profiles of the venues that perpkit simulates."""
