"""Sparse codes and the dictionaries that are learned for them."""
