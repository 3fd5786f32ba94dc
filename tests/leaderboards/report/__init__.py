"""Tests of the report; those in a browser are in `tests.browser`."""
