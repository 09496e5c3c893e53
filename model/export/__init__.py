"""The whole decision between two photographs as one graph that needs nothing of this project."""
