"""``python -m perpkit`` is the command line."""

from perpkit.cli import main

if __name__ == "__main__":
    main()
