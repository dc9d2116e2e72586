"""A device's own surrogate from a few measurements."""
