"""The report: one HTML file of one or two runs, for people who open, filter, compare and send it."""
