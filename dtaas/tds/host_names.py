"""Whether a certificate is for a host, by the rules of Microsoft's ODBC driver.

One who reads a table through the driver and one who reads it natively must get the same answer. The
rules were taken from the driver's behaviour; a test holds both against each other.
"""

from collections.abc import Collection, Mapping
from typing import Any


def is_for(certificate: Mapping[str, Any], hosts: Collection[str]) -> bool:
    """Return whether `certificate`, as `getpeercert` tells it, names one of `hosts`.

    Alternative names count where there are any, else the subject's common name. All are compared
    as text, addresses too; `*` stands for the first label of a name.
    """
    alternatives = certificate.get("subjectAltName", ())
    if alternatives:
        names = [value for kind, value in alternatives if kind == "DNS"]
    else:
        parts = (part for entry in certificate.get("subject", ()) for part in entry)
        names = [value for kind, value in parts if kind == "commonName"]
    return any(_matches(name.lower(), host.lower()) for name in names for host in hosts)


def _matches(name: str, host: str) -> bool:
    if not name.startswith("*."):
        return name == host
    first, dot, rest = host.partition(".")
    return bool(first and dot) and first != "*" and rest == name[2:]
