"""The embedded simulator: a discrete-event engine with the results of the pinned Vidur."""
