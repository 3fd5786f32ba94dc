"""What was measured, read from disk, and its views: the CSV, tables, figures, the paper's own."""
