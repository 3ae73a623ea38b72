"""LLM request routing: the paper's first problem, on Vidur or on its embedded equal."""
