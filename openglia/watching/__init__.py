"""A view of a run from its folder alone: while it goes on, after its end, after it was killed."""
