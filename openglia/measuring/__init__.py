"""Measuring in worker processes: fenced, limited, counted, compared in pairs."""
