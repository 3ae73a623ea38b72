"""A run: its folder, the evaluator that scores, the record of what was measured, its results."""
