"""Photographs, stacks and training data: image files, registration, synthesis, data sets, and their commands."""
