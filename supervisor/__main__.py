"""`python -m supervisor`: the same as the console command `ca-supervisor`."""

from supervisor.cli import main

if __name__ == "__main__":
    main()
