"""GPUs and models as data, and how long a model's operators take on a GPU."""
