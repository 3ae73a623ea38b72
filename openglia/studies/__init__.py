"""Studies: methods x problems x repetitions, each a run of its own, and what they show together."""
