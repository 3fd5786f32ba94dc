"""Shapes of rows that people have: cells, choices, conversations, and files of one's own."""
