"""What a failed file operation means to the person who reads it. No operation happens here."""

from __future__ import annotations

import errno

from cph50_pipeline.errors import PermanentError, TransientError

_NEEDS_A_PERSON = {
    errno.EACCES: "Give this user the right to use it",
    errno.EPERM: "Give this user the right to use it",
    errno.EROFS: "The file system is mounted read-only; mount it writable",
    errno.ENOSPC: "Make room on the disk",
    errno.EDQUOT: "Make room in this user's quota",
    errno.ENOTDIR: "A file stands where a folder belongs; move it away",
    errno.EISDIR: "A folder stands where a file belongs; move it away",
    errno.ENAMETOOLONG: "Use a shorter data root",
    errno.ELOOP: "A symbolic link points at itself; remove it",
}


def file_error(error: OSError, action: str, name: str) -> PermanentError | TransientError:
    """The typed error of a failed file operation.

    Args:
        error: What the operating system said.
        action: What was tried: "read", "written", "listed".
        name: The file or folder, as the reader knows it.
    """
    message = f"{name} could not be {action}: {error.strerror or type(error).__name__}"
    kept = "Files already stored are unchanged"
    if error.errno in _NEEDS_A_PERSON:
        return PermanentError(message, kept=kept, remedy=_NEEDS_A_PERSON[error.errno])
    return TransientError(message, kept=kept, remedy="It is tried again with the next run")
