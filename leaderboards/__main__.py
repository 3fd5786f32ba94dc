"""``python -m leaderboards`` is the `ptst` command."""

from leaderboards.cli.app import main

if __name__ == "__main__":
    main()
