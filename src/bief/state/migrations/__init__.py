"""The forms of the control store's tables: one script for each, in the order of their numbers."""
