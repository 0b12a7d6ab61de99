"""The steps by which the control store came to its present form: numbered, applied forward, never edited."""
