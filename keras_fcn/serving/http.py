"""One HTTP request with a deadline and a limit on the size of the answer."""

import os
import re
import time
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial

import requests

from keras_fcn.storage.downloads import within

_LOOPBACK = re.compile(r"https?://(localhost|127(\.\d+){3}|\[::1\])[:/]", re.IGNORECASE)
_CHUNK_BYTES = 2**16
_MAX_ERROR_BYTES = 2**16  # read of the body of an error response


class StatusError(Exception):
    """The response has an HTTP status of 300 or more.

    Attributes:
        code: the HTTP status.
        body: up to 64 KiB of the response's body.
        reason: the reason phrase of the status line.
        location: the target of a redirect; "" without one.
        retry_after: seconds until the request may be sent again; 0 if the response does
            not say.
    """

    def __init__(self, body: bytes, response: requests.Response):
        super().__init__(f"status {response.status_code}")
        self.code, self.body, self.reason = response.status_code, body, response.reason
        self.location = response.headers.get("Location", "")
        self.retry_after = _seconds(response.headers.get("Retry-After", ""))


class ResponseTooLarge(Exception):
    """The body of the response exceeds the limit."""


def post_json(url: str, body: bytes, timeout: float, max_bytes: int) -> bytes:
    """Send a POST request and return the body of the response.

    Redirects are not followed: the images are meant for one server only. Proxies are
    those of the environment, except for loopback addresses. Certificates are checked
    against `REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE`, where set, else certifi's.

    Args:
        url: `http://` or `https://` URL.
        body: JSON text.
        timeout: seconds for the response to arrive, counted from the start of the
            request; also the longest silence of the server, so that a request ends
            within twice this time.
        max_bytes: size limit of the body.

    Raises:
        TimeoutError: if the response is not complete in time.
        ResponseTooLarge: if the body exceeds `max_bytes`.
        StatusError: if the status is 300 or more.
        requests.RequestException, urllib3.exceptions.HTTPError: if the request fails.
            The cause is `root_cause` of it.
    """
    deadline = time.monotonic() + timeout
    # No proxy for the scheme; without the keys requests takes the environment's.
    proxies = {"http": "", "https": ""} if _LOOPBACK.match(url) else {}
    # "identity": a small compressed body may be of any size in memory.
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    with requests.Session() as session:
        request = session.prepare_request(
            requests.Request("POST", url, headers=headers, data=body)
        )
        settings = session.merge_environment_settings(
            request.url, proxies, True, None, None
        )
        certificates = settings["verify"]
        if certificates is True:  # requests itself ignores OpenSSL's variable
            certificates = os.environ.get("SSL_CERT_FILE") or True
        # The adapter, because Session.send(allow_redirects=False) reads the whole body
        # of a redirect to prepare the next request.
        send = partial(
            session.get_adapter(url).send,
            request,
            stream=True,
            timeout=timeout,
            verify=certificates or True,
            proxies=settings["proxies"],
        )
        response = within(timeout, send)
        with response:
            if response.status_code < 300:
                content, is_complete = _read(response, max_bytes, deadline)
                if not is_complete:
                    raise ResponseTooLarge(f"more than {max_bytes} bytes")
                return content
            content, _ = _read(response, _MAX_ERROR_BYTES, deadline)
            raise StatusError(content, response)


def root_cause(error: BaseException) -> BaseException:
    """Return the exception that an exception of requests or urllib3 was raised for."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _seconds(retry_after):
    """Seconds of a Retry-After header: a number or a date; 0 if it is invalid."""
    with suppress(ValueError, TypeError, OverflowError):
        if retry_after.isdecimal():
            return float(retry_after[:9])
        left = parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)
        return max(0.0, left.total_seconds())
    return 0.0


def _read(response, max_bytes, deadline):
    """Up to `max_bytes` of the body, and whether that is all of it."""
    content = bytearray()
    # Not iter_content: it waits for a whole chunk, however slowly its bytes arrive.
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
        content += chunk
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(content) > max_bytes:
            return bytes(content[:max_bytes]), False
    return bytes(content), True
