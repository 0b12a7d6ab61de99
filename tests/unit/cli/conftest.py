from cli_fake import bief, fake

__all__ = ["bief", "fake"]
