"""What a problem and the report share: JSON read tolerantly, figures in words, plots."""
