"""The real simulator: Vidur at a pinned commit, installed, trained, and run from clean copies."""
