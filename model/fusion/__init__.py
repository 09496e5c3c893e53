"""Fusing: the paper's strategy, two of ours, and what they share."""

STRATEGIES = {
    "learned": "ours, the default: a small network compares the sources",
    "refined": "ours, the default with --weights alone: a formula compares them",
    "paper": "the paper's logic, for two sources",
}
"""The strategies: each is the module of that name in this package, whose `load` makes it."""

PREFERENCES = ("near", "far")
"""Which of two sources that are both sharp can be preferred: the earlier or the later of the stack."""
