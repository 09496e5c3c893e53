"""Registration of a stack: motion between frames, warping to the reference, and brightness correction."""
