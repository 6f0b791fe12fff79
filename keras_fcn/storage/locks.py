"""Locks between processes: a file that one process holds until it releases it or ends.

They are locks of the operating system (`flock`), which end with their process even if
it is killed. On NFS they hold for all machines that mount the folder, if their lock
service runs. On a file system without locks nothing is locked, and a line is logged.
"""

import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

_HAS_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.EBADF)


class Locked(OSError):
    """Another process holds the lock; the message contains its pid and host."""


@contextmanager
def lock(path: Path, waits: str | None = None) -> Iterator[None]:
    """Hold a lock during a block, and remove its file afterwards.

    Args:
        path: the lock's file; its folder exists.
        waits: wait for another process that holds the lock, and log what it does, such
            as "prepares the data"; None raises at once.

    Raises:
        Locked: if another process holds it.
        OSError: if the file can't be made.
    """
    try:
        file = take(path, log_missing=True)
    except Locked as error:
        if waits is None:
            raise
        logger.info("Waiting for %s, which %s", error, waits)
        file = take(path, wait=True)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
        os.close(file)


def take(path: Path, wait: bool = False, log_missing: bool = False) -> int:
    """Take a lock and return its file descriptor; closing it releases the lock.

    Args:
        path: the lock's file.
        wait: wait while another process holds it.
        log_missing: log a line if the file system has no locks.

    Raises:
        Locked: if another process holds it.
        OSError: if the file can't be made.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if not _flock(file, wait) and log_missing:
                logger.warning("%s: its file system has no locks; none is taken", path)
            # The previous holder may have removed the file before it was locked here.
            with suppress(FileNotFoundError):
                at_path = os.stat(path, follow_symlinks=False)
                if os.path.samestat(at_path, os.fstat(file)):
                    _write_holder(file)
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def is_abandoned(path: Path) -> bool:
    """Return whether a lock's file exists and no running process holds the lock.

    Args:
        path: the lock's file. False if it is missing or can't be locked.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def _flock(file, wait):
    """Lock a file; return False if its file system has no locks."""
    operation = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, operation)
    except BlockingIOError as error:
        raise Locked(_describe_holder(file)) from error
    except OSError as error:
        if error.errno not in _HAS_NO_LOCKS:
            raise
        return False
    return True


def _write_holder(file):
    holder = {"pid": os.getpid(), "host": socket.gethostname()}
    with suppress(OSError):  # a full disk: the lock works without this text
        os.truncate(file, 0)
        os.write(file, json.dumps(holder).encode())


def _describe_holder(file):
    """Describe the process that holds a lock; it may not have written its pid yet."""
    try:
        holder = json.loads(os.pread(file, 1000, 0))
        return f"process {int(holder['pid'])} on {str(holder['host'])[:80]}"
    except (ValueError, TypeError, KeyError):
        return "another process"
