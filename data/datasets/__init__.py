"""Public data and weights: where they are, fetched, checked and unpacked."""
