"""What the offline researcher searches for the scheduling problem."""
