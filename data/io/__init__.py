"""Files: images, stacks of them, batches of stacks, JSON and arrays."""
