"""The problems that can be worked on, and the door between one and the harness."""
