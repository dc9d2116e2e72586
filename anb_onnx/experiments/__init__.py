"""Optimizers on tasks, many seeds each, in files; and what they say about the optimizers."""
