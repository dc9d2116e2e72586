"""Engines: different ways to compute the same bits."""
