"""The paper's experiments: `python -m model.experiments --help`."""
