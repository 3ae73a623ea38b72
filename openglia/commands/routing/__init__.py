"""The verbs of the command line that are about routing, one module each."""
