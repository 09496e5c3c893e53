"""Training: settings, one step, losses, checkpoints, hosts, and the folder that a run leaves."""
