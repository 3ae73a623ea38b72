"""A problem that is a folder: an evaluator, an initial program, a statement; peers' form."""
