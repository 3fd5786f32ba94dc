"""Where a study's models are trained and measured when not in this process."""
