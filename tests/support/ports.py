"""Ports for servers in tests."""

import socket
from functools import cache


def unused_port():
    """A port for a server of the test."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def refusing_port():
    """A port that refuses connections, and that no other process can use."""
    return _bound_socket().getsockname()[1]


@cache
def _bound_socket():
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound
