"""Broken plugins of Lighter: each repeats a mistake that this venue's contract invites."""
