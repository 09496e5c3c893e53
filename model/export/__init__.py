"""Export of the decision and fusion of two photographs as one graph that does not need this project."""
