"""The first file that the Python of the one-file program runs: puts the packages beside it into the path and starts.

Python is started with -I and -S: nothing of the host's Python, its environment variables or the working directory has a
say in what is imported.
"""

import sys
from os.path import dirname, join

sys.path.append(join(dirname(__file__), "packages"))  # noqa: PTH118,PTH120  pathlib takes 10 ms

from supervisor.cli import main

main()
