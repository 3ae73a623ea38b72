"""Scoring a router on a benchmark: simulations, figures, baselines, comparisons, tables."""
