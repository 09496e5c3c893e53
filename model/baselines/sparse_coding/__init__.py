"""Sparse codes and the dictionaries that are learnt for them."""
