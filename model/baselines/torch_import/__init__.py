"""Files and layers of PyTorch, without PyTorch."""
