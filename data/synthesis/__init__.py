"""Synthesis: scenes, blur, recipes of training pairs, the pipeline that makes batches, and rendered focus stacks."""
