"""Frames of a stack laid on each other: motion, warping, and brightness."""
