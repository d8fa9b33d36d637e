"""`python -m dtaas`."""

from dtaas.cli.main import main

if __name__ == "__main__":
    main()
