"""Starts a program as systemd does for a socket unit: with a listening socket as descriptor 3.

The port is in the program's environment as PORT."""

import os
import socket
import sys

listener = socket.create_server(("127.0.0.1", 0))
os.environ["PORT"] = str(listener.getsockname()[1])
# Descriptors 0, 1 and 2 are the usual ones; this is the first behind them.
if listener.fileno() != 3:
    os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="http")
os.execv(sys.argv[1], sys.argv[1:])
