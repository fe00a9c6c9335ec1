"""`python -m kmeta` is `kmeta`."""

from kmeta.cli import main

if __name__ == "__main__":
    main()
