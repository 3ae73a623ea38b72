"""What problems and the harness share: scores and their objective, figures in words, plots."""
