"""``python -m semwatchd`` and the console script."""

from semwatchd.cli import main

if __name__ == "__main__":
    main()
