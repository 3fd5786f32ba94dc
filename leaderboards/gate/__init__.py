"""Is this release worse than the last? Two boards compared by non-inferiority."""
