"""The paper's network with its variants, the network that compares two sources, VGG-19's transfer, weights files."""
