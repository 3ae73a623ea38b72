"""Recorded traces, replayed: files in the formats of public traces, and their windows as seeds."""
