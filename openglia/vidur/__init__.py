"""The pinned Vidur: checkout, installation, profiles, predictors, and running it."""
