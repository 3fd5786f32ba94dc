"""``python -m leaderboards`` is the `ptst` command."""

import sys


def main() -> None:
    """Runs the command; an interrupt while its modules are imported ends it as one later does."""
    try:
        from leaderboards.cli import app
    except KeyboardInterrupt:
        print("ptst: interrupted", file=sys.stderr)
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
