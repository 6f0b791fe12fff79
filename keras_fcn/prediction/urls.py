"""Inputs given by URL: images, which are downloaded, and addresses of streams."""

import os
import re
import time
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from keras_fcn.errors import one_line
from keras_fcn.prediction.inputs import VIDEO_SUFFIXES
from keras_fcn.storage.downloads import within

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp", "mms")
_STREAM_SUFFIXES = (*VIDEO_SUFFIXES, ".m3u8", ".mpd", ".mjpg", ".mjpeg", ".sdp")
_MAX_BYTES = 2**28  # of an image file
_TIMEOUT = (10, 60)  # seconds, to connect and between two parts of the response
_MAX_SECONDS = 600  # of a whole download
_CHUNK = 2**16


def is_url(text: str) -> bool:
    """Return whether an input is a URL and no path.

    Args:
        text: an input, as the user gave it.
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def is_stream(url: str) -> bool:
    """Return whether a URL is one of a stream or a video, by its scheme and suffix.

    Args:
        url: a URL.

    Raises:
        ValueError: if its scheme is not supported.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() in STREAM_SCHEMES:
        return True
    if parts.scheme.lower() not in ("http", "https"):
        raise ValueError(
            f"expected a URL of http, https, {', '.join(STREAM_SCHEMES[:-1])} or "
            f"{STREAM_SCHEMES[-1]}. Received: {shown_url(url)}"
        )
    return parts.path.lower().endswith(_STREAM_SUFFIXES)


def shown_url(url: str) -> str:
    """Return a URL for messages: without user name, password and query.

    Args:
        url: a URL.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def stem_of_url(url: str) -> str:
    """Return the stem of the outputs of a URL.

    Args:
        url: a URL.

    Returns:
        The name of its file without suffix, or its host if there is none; of letters,
        digits, dots, dashes and underscores.
    """
    parts = urlsplit(url)
    name = os.path.splitext(os.path.basename(unquote(parts.path).rstrip("/")))[0]
    name = re.sub(r"[^\w.-]+", "-", name or parts.netloc.rpartition("@")[2])
    return name.strip("-.") or "stream"


def download_image(url: str, folder: Path) -> Path:
    """Download an image.

    Args:
        url: its URL, http or https.
        folder: an existing folder, in which the file gets the stem of the outputs.

    Returns:
        The file.

    Raises:
        OSError: if it can't be downloaded, or is larger than 256 MiB.
        ValueError: if it is a web page or a video.
    """
    import requests  # takes a tenth of a second
    from urllib3.exceptions import HTTPError

    name, deadline = shown_url(url), time.monotonic() + _MAX_SECONDS
    suffix = os.path.splitext(urlsplit(url).path)[1][:10]
    path = folder / f"{stem_of_url(url)}{re.sub(r'[^A-Za-z0-9.]', '', suffix)}"
    try:
        get = partial(requests.get, url, stream=True, timeout=_TIMEOUT)
        with within(_MAX_SECONDS, get) as response:
            response.raise_for_status()
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
            if kind.startswith(("text/", "video/", "audio/", "multipart/")):
                raise ValueError(
                    f"{name} is no image: the server sent {kind}. Streams and videos "
                    "are recognized by their suffix, or by a scheme such as rtsp://"
                )
            num_bytes = 0
            with path.open("xb") as file:
                # Not iter_content: it waits for a whole chunk, however slow it is.
                while chunk := response.raw.read1(_CHUNK, decode_content=True):
                    num_bytes += len(chunk)
                    if time.monotonic() > deadline:
                        raise TimeoutError
                    if num_bytes > _MAX_BYTES:
                        raise OSError(f"it has more than {_MAX_BYTES} bytes")
                    file.write(chunk)
    except (requests.RequestException, HTTPError, OSError) as error:
        raise OSError(f"{name} can't be downloaded ({_reason(error)})") from error
    return path


def _reason(error):
    """The cause, without the URL that the messages of requests have."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    if getattr(error, "response", None) is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout | ReadTimeoutError | TimeoutError):
        return "no response in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not valid"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return one_line(error)
