"""Measurements for maintainers: `python -m model.measurements --help`."""
