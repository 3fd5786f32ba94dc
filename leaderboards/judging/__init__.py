"""Judges as a second step over saved responses, and how far judges agree."""
