"""Errors of the Delta library as ours.

The library has few classes and no codes: what the storage answered is only in its text, of which
the S3 error codes are the stable part (object_store puts the reply's body there).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    DeltaProtocolError,
    SchemaMismatchError,
)

from dtaas.connectors.lake.errors import from_os_error
from dtaas.model.errors import (
    AuthenticationError,
    BucketNotFoundError,
    DestinationConflictError,
    DestinationUnavailableError,
    DtaasError,
    FatalError,
    PermissionDeniedError,
    SchemaChangedError,
)

_MOST_CHARS: Final = 400
_BY_TEXT: Final = (
    ("NoSuchBucket", BucketNotFoundError, "Create the bucket, or correct its name."),
    ("InvalidAccessKeyId", AuthenticationError, "Check the access key id."),
    ("SignatureDoesNotMatch", AuthenticationError, "Check the secret access key."),
    ("ExpiredToken", AuthenticationError, "Give a fresh session token."),
    ("InvalidToken", AuthenticationError, "Give a fresh session token."),
    ("AccessDenied", PermissionDeniedError, "Allow reading, writing and listing the prefix."),
    ("Permission denied", PermissionDeniedError, "Let the daemon's user write the folder."),
)
_UNAVAILABLE: Final = ("Generic S3 error", "error sending request", "timed out", "SlowDown")


@contextmanager
def delta_errors(what: str) -> Iterator[None]:
    """Turn errors of the Delta library within into ours; `what` says what was tried."""
    try:
        yield
    except DtaasError:
        raise
    except CommitFailedError as error:
        raise DestinationConflictError(
            f"{what}: {_text(error)}", hint="Let only one task write the target."
        ) from error
    except SchemaMismatchError as error:
        raise SchemaChangedError(
            f"{what}: {_text(error)}", hint="Start the task with force to load the table anew."
        ) from error
    except DeltaProtocolError as error:
        raise FatalError(
            f"{what}: {_text(error)}",
            hint="The table uses features of Delta Lake that this version cannot write.",
        ) from error
    except (DeltaError, OSError) as error:
        raise _from_text(error, what) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of the Rust side; not an `Exception`
            raise
        raise FatalError(f"{what}: the Delta library broke off: {_text(error)}") from error


def _from_text(error: Exception, what: str) -> DtaasError:
    text = str(error)
    for mark, kind, hint in _BY_TEXT:
        if mark in text:
            return kind(f"{what}: {_text(error)}", hint=hint)
    if any(mark in text for mark in _UNAVAILABLE):
        return DestinationUnavailableError(f"{what}: {_text(error)}")
    if isinstance(error, OSError) and error.errno is not None:
        return from_os_error(error, what)
    return FatalError(f"{what}: {_text(error)}", hint="Check the table's folder `_delta_log`.")


def _text(error: BaseException) -> str:
    """Return the error's text, not the whole reply that may be in it."""
    text = " ".join(str(error).split())
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"
