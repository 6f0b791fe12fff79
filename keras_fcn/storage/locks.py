"""Locks between processes: a file that one of them holds until it lets go or dies.

The lock is the system's (`flock`), so that it ends with its process however that ends.
On NFS it counts for all machines that mount the folder, as long as their lock service
runs; where a file system has no locks nothing is locked, and a line says so.
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
    """Another process holds the lock; the message is who: its pid and host."""


@contextmanager
def lock(path: Path, waits: str | None = None) -> Iterator[None]:
    """Hold a lock for a block. The file is removed at its end.

    Args:
        path: the lock's file; its folder is there.
        waits: what another process does that holds it, for the line in the log that
            tells of the waiting; None raises at once.

    Raises:
        Locked: if another process holds it.
        OSError: if the file can't be made.
    """
    try:
        file = take(path, is_told=True)
    except Locked as error:
        if waits is None:
            raise
        logger.info("Waiting for %s, which %s", error, waits)
        file = take(path, is_patient=True)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
        os.close(file)


def take(path: Path, is_patient: bool = False, is_told: bool = False) -> int:
    """Take a lock and return its open file, with which it ends.

    Args:
        path: the lock's file.
        is_patient: wait where another process holds it.
        is_told: log a line where the file system has no locks.

    Raises:
        Locked: if another process holds it.
        OSError: if the file can't be made.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            if not _flock(file, is_patient) and is_told:
                logger.warning("%s: its file system has no locks; none is taken", path)
            # Who held it may have removed the file before we had it.
            if _is_at(path, file):
                _write_holder(file)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def is_abandoned(path: Path) -> bool:
    """Whether no living process holds a lock whose file is there.

    Args:
        path: the lock's file; one that is missing or can't be locked is no sign of a
            death.
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


def _flock(file, is_patient):
    """Lock a file; False where its file system can't."""
    operation = fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, operation)
    except BlockingIOError as error:
        raise Locked(_describe_holder(file)) from error
    except OSError as error:
        if error.errno not in _HAS_NO_LOCKS:
            raise
        return False
    return True


def _is_at(path, file):
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(file))
    except FileNotFoundError:
        return False


def _write_holder(file):
    holder = {"pid": os.getpid(), "host": socket.gethostname()}
    with suppress(OSError):  # the disk is full: the lock holds without it
        os.truncate(file, 0)
        os.write(file, json.dumps(holder).encode())


def _describe_holder(file):
    """Who wrote into a lock's file; it may be about to."""
    try:
        holder = json.loads(os.pread(file, 1000, 0))
        return f"process {int(holder['pid'])} on {str(holder['host'])[:80]}"
    except (ValueError, TypeError, KeyError):
        return "another process"
