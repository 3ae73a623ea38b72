"""OpenGLIA: language models discover system algorithms, and a harness measures them honestly."""

__version__ = "0.1.0"
