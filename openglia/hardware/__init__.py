"""GPUs and models as data, and the analytic (roofline) execution-time profile of a pair of them."""
