"""Predictors of hardware metrics: kinds to choose from, each fitted to measurements by one call."""
