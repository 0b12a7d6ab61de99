"""`python -m bief` is `bief`."""

from bief.cli.main import run

if __name__ == "__main__":
    run()
