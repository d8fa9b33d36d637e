"""One change lost and one doubled, in the change files of a history that has arrived whole."""

import io
import json

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from dtaas.sandbox.chaos.history import History
from dtaas.sandbox.chaos.places import LAKE
from dtaas.sandbox.sandbox import ACCESS_KEY, BUCKET, SECRET_KEY
from dtaas.sandbox.seaweed import SeaweedServer


class Plant:
    """Does it once: in the first table that has two changes in one file.

    Attributes:
        done: which file it damaged, '' before it did.
    """

    def __init__(self, s3: SeaweedServer) -> None:
        self.done = ""
        self._client = boto3.client(
            "s3",
            endpoint_url=s3.endpoint_url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=s3.region,
        )

    def tamper(self, history: History) -> None:
        """Damage a file of this history if none was damaged yet."""
        if self.done or history.place.kind != LAKE:
            return
        for table in history.tables:
            base = history.place.config["prefix"].format(schema="dbo", table=table)
            self.done = self._damage(base)
            if self.done:
                return

    def _damage(self, base: str) -> str:
        """Put the second inserted or updated row of a file in the place of the first."""
        for key in self._files(base):
            found = pq.read_table(io.BytesIO(self._get(key)))
            places = [n for n, op in enumerate(found.column("_op").to_pylist()) if op != "D"]
            if len(places) > 1:
                lost, doubled = places[:2]
                rows = [doubled if n == lost else n for n in range(found.num_rows)]
                sink = io.BytesIO()
                pq.write_table(found.take(pa.array(rows)), sink)
                self._client.put_object(Bucket=BUCKET, Key=key, Body=sink.getvalue())
                return key
        return ""

    def _files(self, base: str) -> list[str]:
        """Return the change files that count, the last first."""
        keys: list[str] = []
        head = json.loads(self._get(f"{base}/_dtaas/stream.json"))
        name = head["segment"]
        while name is not None:
            key = f"{base}/_dtaas/changes/{head['generation']}/{name}.json"
            segment = json.loads(self._get(key))
            keys += [file["key"] for file in segment["files"]]
            name = segment["previous"]
        return keys

    def _get(self, key: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data
