"""Optimizers over codes, and the history of a search."""
