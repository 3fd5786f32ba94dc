"""An adapter's own page: its model card, its numbers where others look for them, and the way there."""
