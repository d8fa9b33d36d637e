"""Where Delta tables lie, in the words of the Delta library's own storage clients."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dtaas.connectors.lake.folder import FolderStore
from dtaas.connectors.lake.objects import ObjectStore
from dtaas.connectors.lake.s3_store import S3Store
from dtaas.model.connectors import (
    BucketConfig,
    DeltaFileConfig,
    DeltaS3Config,
    S3Credentials,
    ServerSideEncryption,
)
from dtaas.model.load import TargetTable

_REQUEST_LIMIT: Final = "60s"
_CONNECT_LIMIT: Final = "10s"
_ATTEMPTS: Final = "5"


class Place:
    """A bucket or a folder.

    Attributes:
        store: the same place through our own client: data files and the owner's marker.
        options: for every call into the Delta library. Holds secrets: never log it.
    """

    def __init__(self, config: DeltaS3Config | DeltaFileConfig) -> None:
        self.store: ObjectStore
        self.options: Mapping[str, str]
        if isinstance(config, DeltaS3Config):
            self._root = f"s3://{config.bucket}"
            self.store, self.options = S3Store(config), _s3_options(config)
        else:
            self._root = config.path.rstrip("/")
            self.store, self.options = FolderStore(Path(config.path)), {}

    def uri(self, target: TargetTable) -> str:
        """Return the address of a table."""
        return "/".join((self._root, *target.path))


def _s3_options(config: BucketConfig) -> dict[str, str]:
    options = {
        "aws_region": config.region,
        "timeout": _REQUEST_LIMIT,
        "connect_timeout": _CONNECT_LIMIT,
        "max_retries": _ATTEMPTS,
    }
    if config.endpoint_url:
        options["aws_endpoint"] = config.endpoint_url
        options["aws_virtual_hosted_style_request"] = "false"
        options["aws_allow_http"] = str(config.endpoint_url.startswith("http://")).lower()
    if config.credentials is not S3Credentials.INSTANCE and config.access_key_id:
        options["aws_access_key_id"] = config.access_key_id
        options["aws_secret_access_key"] = config.secret_access_key
        if config.session_token:
            options["aws_session_token"] = config.session_token
    if config.credentials is S3Credentials.ASSUME_ROLE:
        options["AWS_IAM_ROLE_ARN"] = config.role_arn
        options["AWS_IAM_ROLE_SESSION_NAME"] = "dtaas"
    if config.encryption is not ServerSideEncryption.NONE:
        options["aws_server_side_encryption"] = config.encryption.value
        if config.kms_key_id:
            options["aws_sse_kms_key_id"] = config.kms_key_id
    return options
