"""Arrays of pixels: levels, blocks, and what is near decision boundaries."""
