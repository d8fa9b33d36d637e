"""Where histories go: kinds of destinations, how the daemon is told of them, how they are read."""

from collections.abc import Callable
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec import Struct

from dtaas.model.errors import FatalError
from dtaas.sandbox.chaos.arrivals import Arrivals, DeltaArrivals, LakeArrivals
from dtaas.sandbox.chaos.lake_reader import Fetch, LakeReader
from dtaas.sandbox.chaos.snowflake import SnowflakeArrivals, SnowflakeGround
from dtaas.sandbox.sandbox import ACCESS_KEY, BUCKET, SECRET_KEY
from dtaas.sandbox.seaweed import SeaweedServer

LAKE: Final = "s3"
DELTA: Final = "delta_s3"
SNOWFLAKE: Final = "snowflake"
_ABSENT: Final = frozenset({"404", "NoSuchKey"})


class Place(Struct, frozen=True, kw_only=True):
    """A destination of one history.

    Attributes:
        kind: of the connector.
        config: of the connector, as the API takes it.
        arrivals: makes a reader of the table of that name.
    """

    kind: str
    config: dict[str, Any]
    arrivals: Callable[[str], Arrivals]


class Places:
    """Makes places in one bucket, or in Snowflake.

    The daemon goes through `endpoint_url`, readers straight.
    """

    def __init__(
        self, s3: SeaweedServer, endpoint_url: str, snowflake: SnowflakeGround | None = None
    ) -> None:
        self._snowflake = snowflake
        self._endpoint_url = endpoint_url
        self._direct_url = s3.endpoint_url
        self._fetch = _fetch_from(s3)

    def make(self, kind: str, prefix: str) -> Place:
        """Return a place of that kind below a prefix nobody else uses."""
        if kind == SNOWFLAKE:
            return self._in_snowflake(prefix)
        config = {
            "bucket": BUCKET,
            "endpoint_url": self._endpoint_url,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "prefix": prefix + "/{table}",
        }
        readers: dict[str, Callable[[str], Arrivals]] = {
            LAKE: lambda name: LakeArrivals(LakeReader(self._fetch, f"{prefix}/{name}")),
            DELTA: lambda name: DeltaArrivals(f"s3://{BUCKET}/{prefix}/{name}", self._options()),
        }
        return Place(kind=kind, config=config, arrivals=readers[kind])

    def _in_snowflake(self, name: str) -> Place:
        if self._snowflake is None:
            raise FatalError("There is no Snowflake here.")
        config = self._snowflake.config(name)
        return Place(
            kind=SNOWFLAKE, config=config, arrivals=lambda table: SnowflakeArrivals(config, table)
        )

    def _options(self) -> dict[str, str]:
        return {
            "aws_endpoint": self._direct_url,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "aws_region": "us-east-1",
            "aws_virtual_hosted_style_request": "false",
            "aws_allow_http": "true",
        }


def _fetch_from(s3: SeaweedServer) -> Fetch:
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=s3.region,
        config=Config(max_pool_connections=8, s3={"addressing_style": "path"}),
    )

    def fetch(key: str) -> bytes | None:
        try:
            data: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return None
            raise
        return data

    return fetch
