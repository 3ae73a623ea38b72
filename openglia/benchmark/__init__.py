"""What is measured: benchmarks, workloads, evaluations, statistics."""
