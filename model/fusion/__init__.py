"""Fusing: the paper's strategy, two of ours, and what they share."""
