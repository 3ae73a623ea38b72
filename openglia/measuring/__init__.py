"""Measuring: processes of candidates, their fence, and the statistics of what they gave."""
