"""The fence around what is not trusted: agents' commands and the workers of evaluations."""
