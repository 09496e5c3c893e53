"""The page for photographers and the interface for programs, in one small server on this machine."""
