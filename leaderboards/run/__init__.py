"""A study and its run: what is asked for, what is trained and measured, and where it is kept."""
