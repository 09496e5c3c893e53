"""Arrays of pixels: levels, blocks, composition by decision maps, and decision boundaries."""
