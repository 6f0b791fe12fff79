"""One HTTP request with one deadline, from the connection to the answer's last byte."""

import http.client
import socket
import threading
import urllib.error
import urllib.request
from functools import partial

_MOST_OF_AN_ERROR = 2**16  # bytes that are read of the answer that tells of an error


class StatusError(Exception):
    """An answer with a status of an error, or of a redirection.

    Attributes:
        code: the status, 300 or more.
        body: up to 64 KiB of the answer.
        reason: the status in the server's words.
        location: where a redirection leads to; "" without one.
    """

    def __init__(self, code: int, body: bytes, reason: str, location: str):
        super().__init__(f"status {code}")
        self.code, self.body = code, body
        self.reason, self.location = reason, location


class TooManyBytes(Exception):
    """An answer that is larger than it can need to be."""


def fetch(request: urllib.request.Request, seconds: float, most_bytes: int) -> bytes:
    """Send a request and return the body of its answer.

    A socket's own timeout begins anew with each byte, so that a server which drips
    would be waited for without end. Here the connection is shut when the time is over.
    Redirections are not followed: what was meant for one server is sent to no other.

    Args:
        request: by `http://` or `https://`; proxies are those of the environment.
        seconds: for all of it.
        most_bytes: of the body; what is beyond them is not read.

    Raises:
        TimeoutError: if the time is over.
        TooManyBytes: if there are more.
        StatusError: for a status of an error, or of a redirection.
        OSError, http.client.HTTPException, ValueError: if it fails otherwise;
            IncompleteRead where the answer breaks off.
    """
    watch = _Watch(seconds)
    opener = urllib.request.build_opener(_Http(watch), _Https(watch), _NoRedirection)
    try:
        with opener.open(request, timeout=seconds) as response:
            body = _read(response, most_bytes)
    except urllib.error.HTTPError as error:
        status_error = _status_error(error)
        watch.check()
        raise status_error from error
    except Exception:
        watch.check()  # what was shut fails in many ways
        raise
    finally:
        watch.stop()
    watch.check()  # an answer without a length ends where it was shut
    return body


class _Watch:
    """Shuts a connection when its time is over."""

    def __init__(self, seconds):
        self._lock, self._socket, self._is_over = threading.Lock(), None, False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connected):
        """Shut this socket in time, or at once."""
        with self._lock:
            self._socket = connected
        self.check()

    def check(self):
        """Raise TimeoutError if the time is over."""
        if self._is_over:
            raise TimeoutError

    def stop(self):
        self._timer.cancel()

    def _end(self):
        with self._lock:
            self._is_over = True
            if self._socket is not None:
                try:
                    # Not SSLSocket's, which another thread may be reading from.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:  # it has been closed by the other side
                    pass


class _Connection(http.client.HTTPConnection):
    def __init__(self, host, *, watch, **options):
        super().__init__(host, **options)
        self._watch = watch

    def connect(self):
        super().connect()
        self._watch.watch(self.sock)


class _SecureConnection(http.client.HTTPSConnection):
    def __init__(self, host, *, watch, **options):
        super().__init__(host, **options)
        self._watch = watch

    def connect(self):
        super().connect()  # the handshake has a deadline of its own, in C
        self._watch.watch(self.sock)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch):
        super().__init__()
        self._connection = partial(_Connection, watch=watch)

    def http_open(self, request):
        return self.do_open(self._connection, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch):
        super().__init__()
        self._connection = partial(_SecureConnection, watch=watch)

    def https_open(self, request):
        return self.do_open(self._connection, request)


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def http_error_302(self, *_):
        return None  # and so it is an error

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _read(response, most_bytes):
    body = response.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise TooManyBytes(f"more than {most_bytes} bytes")
    if response.length:  # what is missing of the length that was announced
        raise http.client.IncompleteRead(body, response.length)
    return body


def _status_error(error):
    with error:
        try:
            body = error.read(_MOST_OF_AN_ERROR)
        except (OSError, http.client.HTTPException, ValueError):
            body = b""
        location = error.headers.get("Location", "")
        return StatusError(error.code, body, str(error.reason), location)
