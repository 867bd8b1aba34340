"""Local exchanges that speak each venue's own wire."""
