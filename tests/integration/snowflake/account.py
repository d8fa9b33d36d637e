"""The Snowflake account the suites run on: the emulator, or a real one that the environment names.

    DTAAS_TEST_SNOWFLAKE_URL=snowflake://USER[:PASSWORD]@ACCOUNT/DATABASE?warehouse=W&role=R&…

Secrets may stay out of the URL: DTAAS_TEST_SNOWFLAKE_PASSWORD, …_TOKEN, …_PRIVATE_KEY (PEM) and
…_PRIVATE_KEY_PASSPHRASE. `authentication` in the query is password, key_pair, oauth or pat; left
out, it follows from the secret that is there. `private_key_file` names a file with the key.
Everything is written into schemas of the run's own, which are dropped at its end.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from dtaas.model.connectors import SnowflakeAuthentication, SnowflakeConfig, SnowflakeNames

URL = "DTAAS_TEST_SNOWFLAKE_URL"
_SECRETS = {
    "password": SnowflakeAuthentication.PASSWORD,
    "private_key": SnowflakeAuthentication.KEY_PAIR,
    "token": SnowflakeAuthentication.PAT,
}
_QUERY = {"warehouse", "role", "authentication", "private_key_file", "host"}


def account_of(environment: Mapping[str, str]) -> SnowflakeConfig | None:
    """Return how to log in to the real account, None when none is named.

    Raises:
        ValueError: the URL is wrong, with what is.
    """
    url = environment.get(URL, "")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme != "snowflake" or not parts.hostname or not parts.username:
        raise ValueError(f"{URL} must be snowflake://USER@ACCOUNT/DATABASE")
    database = unquote(parts.path.strip("/"))
    if not database or "/" in database:
        raise ValueError(f"{URL} must name one database, and nothing below it")
    given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    if unknown := sorted(given.keys() - _QUERY):
        raise ValueError(f"{URL} has unknown parts: {', '.join(unknown)}")
    found = {name: environment.get(f"DTAAS_TEST_SNOWFLAKE_{name.upper()}", "") for name in _SECRETS}
    found["password"] = found["password"] or unquote(parts.password or "")
    if file := given.pop("private_key_file", ""):
        found["private_key"] = Path(file).read_text(encoding="ascii")
    way = given.pop("authentication", "") or next((_SECRETS[n] for n, v in found.items() if v), "")
    if not way:
        raise ValueError(f"{URL} has no password, and no secret stands in the environment")
    return SnowflakeConfig(
        account=parts.hostname,
        user=unquote(parts.username),
        authentication=SnowflakeAuthentication(way),
        private_key_passphrase=environment.get("DTAAS_TEST_SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", ""),
        database=database,
        identifiers=SnowflakeNames.PRESERVE,
        **found,
        **given,
    )
