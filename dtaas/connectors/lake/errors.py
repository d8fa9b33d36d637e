"""Errors of S3 and of the file system as ours, by code."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import aiohttp
import anyio
from botocore import exceptions as boto

from dtaas.connectors.lake.objects import PreconditionFailedError
from dtaas.model.clock_skew import SET_THIS_CLOCK
from dtaas.model.errors import (
    AuthenticationError,
    BucketNotFoundError,
    CertificateError,
    ConnectionLostError,
    DestinationConflictError,
    DestinationFullError,
    DestinationUnavailableError,
    DtaasError,
    FatalError,
    PermissionDeniedError,
    TimedOutError,
)

_CHECK_KEYS: Final = "Check the access key id and the secret access key."
_SKEWED: Final = "RequestTimeTooSkewed"
_BY_CODE: Final[Mapping[str, tuple[type[DtaasError], str]]] = {
    "NoSuchBucket": (BucketNotFoundError, "Create the bucket, or correct its name."),
    "InvalidBucketName": (BucketNotFoundError, "Correct the bucket's name."),
    "PermanentRedirect": (FatalError, "The bucket lies in another region: set `region`."),
    "AuthorizationHeaderMalformed": (FatalError, "Set `region` to the bucket's region."),
    "IllegalLocationConstraintException": (FatalError, "Set `region` to the bucket's region."),
    "AccessDenied": (
        PermissionDeniedError,
        (
            "Allow s3:ListBucket, s3:ListBucketMultipartUploads on the bucket and s3:GetObject,"
            " s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on the prefix."
        ),
    ),
    "AllAccessDisabled": (PermissionDeniedError, "The account or bucket is disabled."),
    "AccountProblem": (PermissionDeniedError, "Ask the owner of the account."),
    "InvalidAccessKeyId": (AuthenticationError, _CHECK_KEYS),
    "SignatureDoesNotMatch": (AuthenticationError, _CHECK_KEYS),
    "InvalidToken": (AuthenticationError, "Give a fresh session token."),
    "ExpiredToken": (AuthenticationError, "Give a fresh session token."),
    "InvalidClientTokenId": (AuthenticationError, _CHECK_KEYS),
    _SKEWED: (AuthenticationError, SET_THIS_CLOCK),
    "EntityTooLarge": (FatalError, "Set a smaller target file size."),
    "InvalidStorageClass": (FatalError, "Correct `storage_class`."),
    "InvalidObjectState": (FatalError, "The object is archived: use a storage class read at once."),
    "KMS.NotFoundException": (FatalError, "Correct `kms_key_id`."),
    "KMS.DisabledException": (FatalError, "Enable the KMS key."),
    "XMinioStorageFull": (DestinationFullError, "Make room at the S3 server."),
    "NoSuchKey": (DestinationConflictError, "Somebody deleted it. Load the table anew."),
    "NoSuchUpload": (DestinationUnavailableError, "Somebody aborted the upload; it is repeated."),
    "PreconditionFailed": (PreconditionFailedError, "Somebody else wrote it."),
    "ConditionalRequestConflict": (PreconditionFailedError, "Somebody else is writing it."),
    "RequestTimeout": (TimedOutError, ""),
    "SlowDown": (DestinationUnavailableError, "S3 asks for less; the load goes on by itself."),
}
_STATUS_FORBIDDEN: Final = 403
_STATUS_PRECONDITION: Final = 412
_STATUS_TOO_MANY: Final = 429
_STATUS_SERVER: Final = 500
_STATUS_FULL: Final = 507
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_DENIED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def s3_errors(what: str, limit_s: float | None = None) -> Iterator[None]:
    """Turn errors of the S3 client within into ours.

    Args:
        what: says what was tried.
        limit_s: for all of it, None for no limit. The client's own limits do not see a link
            that goes silent while a body is being sent.
    """
    try:
        with anyio.fail_after(limit_s):
            yield
    except boto.ClientError as error:
        raise _from_reply(error, what) from error
    except (boto.BotoCoreError, boto.HTTPClientError) as error:
        raise _from_client(error, what) from error
    except TimeoutError as error:
        raise TimedOutError(f"{what}: S3 does not answer.") from error
    except aiohttp.ClientError as error:
        raise ConnectionLostError(
            f"{what}: the connection to S3 broke: {str(error) or type(error).__name__}."
        ) from error
    except OSError as error:
        raise from_os_error(error, what) from error


def error_code(error: boto.ClientError) -> str:
    """Return S3's code, such as `NoSuchKey`; for a reply without a body the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_status(error: boto.ClientError) -> int:
    """Return the HTTP status, 0 when there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _from_reply(error: boto.ClientError, what: str) -> DtaasError:
    code, status = error_code(error), error_status(error)
    reply: Mapping[str, Any] = error.response.get("Error", {})
    detail = f"{what}: S3 answered {code or status} {reply.get('Message', '')}".rstrip(" .") + "."
    if code == _SKEWED:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        detail += f" S3's clock shows {headers.get('date', 'another time')}."
    if code in _BY_CODE:
        kind, hint = _BY_CODE[code]
        return kind(detail, hint=hint)
    if status == _STATUS_FORBIDDEN:
        kind, hint = _BY_CODE["AccessDenied"]
        return kind(detail, hint=hint)
    if status == _STATUS_PRECONDITION:
        return PreconditionFailedError(detail)
    if status == _STATUS_FULL:
        return DestinationFullError(detail, hint="Make room at the S3 server.")
    if status >= _STATUS_SERVER or status == _STATUS_TOO_MANY:
        return DestinationUnavailableError(detail)
    return FatalError(detail, hint="Check the connector's settings.")


def _from_client(error: Exception, what: str) -> DtaasError:
    detail = f"{what}: {error}"
    match error:
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return AuthenticationError(
                detail, hint="Give keys, or run on a machine with an instance profile."
            )
        case boto.CredentialRetrievalError() | boto.MetadataRetrievalError():
            return ConnectionLostError(detail, hint="The credentials could not be fetched.")
        case boto.SSLError():
            return CertificateError(detail, hint="Trust the server's certificate authority.")
        case boto.ConnectTimeoutError() | boto.ReadTimeoutError():
            return TimedOutError(detail)
        case boto.EndpointConnectionError() | boto.ConnectionError() | boto.HTTPClientError():
            return ConnectionLostError(detail, hint="Check endpoint_url, region and the network.")
        case _:
            return FatalError(detail, hint="Check the connector's settings.")


def from_os_error(error: OSError, what: str) -> DtaasError:
    """Return an error of the file system as ours."""
    detail = f"{what}: {error.strerror or error}"
    if error.errno in _FULL:
        return DestinationFullError(detail, hint="Make room, or choose another folder.")
    if error.errno in _DENIED:
        return PermissionDeniedError(detail, hint="Let the daemon's user write the folder.")
    if error.errno == errno.EIO:
        return DestinationUnavailableError(detail, hint="The disk reports an error.")
    if isinstance(error, ConnectionError | TimeoutError):
        return ConnectionLostError(detail)
    return FatalError(detail, hint="Check the folder.")
