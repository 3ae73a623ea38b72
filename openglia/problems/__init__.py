"""What is to be improved: the door that every problem has, the registry, and the problems."""
