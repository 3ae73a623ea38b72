"""Batch scheduling inside the replicas, under a fixed router: admission and eviction."""
