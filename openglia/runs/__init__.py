"""One experiment: its folder, its record of evaluations, its results."""
