"""Counting of every architecture of a space into a histogram of its predictions, exactly."""
