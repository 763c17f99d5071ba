"""`python -m cph50_pipeline` is the `cph50` command."""

from cph50_pipeline.cli import main

if __name__ == "__main__":
    main()
