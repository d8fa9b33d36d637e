"""Which hosts a certificate is for; that the driver agrees is an integration test."""

from typing import Any

import pytest

from dtaas.tds.host_names import is_for

SUBJECT = ((("organizationName", "Example"),), (("commonName", "Db.example"),))


def named(*names: str) -> dict[str, Any]:
    return {"subject": SUBJECT, "subjectAltName": tuple(("DNS", name) for name in names)}


@pytest.mark.parametrize(
    ("certificate", "hosts", "expected"),
    [
        ({"subject": SUBJECT}, ["db.EXAMPLE"], True),
        (named("other"), ["db.example"], False),
        (named("a", "b"), ["x", "b"], True),
        (named("*.corp.example"), ["db.corp.example"], True),
        (named("*.corp.example"), ["corp.example"], False),
        (named("*.corp.example"), [".corp.example"], False),
        (named("*.corp.example"), ["*.corp.example"], False),
        (named("*.corp.example"), ["a.db.corp.example"], False),
        (named("*"), ["db"], False),
        (named(""), [], False),
        (
            {"subject": SUBJECT, "subjectAltName": (("IP Address", "10.0.0.1"),)},
            ["10.0.0.1"],
            False,
        ),
        ({}, ["db.example"], False),
    ],
)
def test_a_certificate_is_for_the_hosts_it_names(
    certificate: dict[str, Any], hosts: list[str], expected: bool
) -> None:
    assert is_for(certificate, hosts) is expected
