"""Field, curve and hash primitives, proved by outside vectors. No venue's message layout lives here."""
