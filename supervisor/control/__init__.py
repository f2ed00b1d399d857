"""What a running program is asked on its own host: to reload, what a reload would change, what it has measured.

The program listens on a socket in its data directory (`listener`); commands ask there (`asking`). Why a socket:
docs/decisions/0014-asking-the-running-program.md.
"""
