"""Finding the ODBC driver."""

from pathlib import Path

import pytest

from dtaas.connectors.sqlserver.driver import family_of, find_driver, registered_drivers
from dtaas.model.errors import DriverMissingError


@pytest.mark.parametrize(
    ("os_release", "family"),
    [
        ({"ID": "debian"}, "debian_ubuntu"),
        ({"ID": "pop", "ID_LIKE": "ubuntu debian"}, "debian_ubuntu"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "rhel"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "suse"),
        ({"ID": "alpine"}, "alpine"),
        ({}, "debian_ubuntu"),
    ],
)
def test_distribution_chooses_the_wheel_s_folder(os_release: dict[str, str], family: str) -> None:
    assert family_of(os_release) == family


def test_newest_registered_driver_comes_first() -> None:
    names = ["FreeTDS", "ODBC Driver 17 for SQL Server", "ODBC Driver 18 for SQL Server"]
    assert registered_drivers(names)[0] == "ODBC Driver 18 for SQL Server"


def test_driver_of_the_wheel_is_found_and_loads() -> None:
    path = Path(find_driver())
    assert path.name.startswith("libmsodbcsql")
    assert path.is_file()


def test_registered_name_is_taken_as_it_is() -> None:
    assert find_driver("ODBC Driver 18 for SQL Server") == "ODBC Driver 18 for SQL Server"


def test_driver_that_cannot_be_loaded_is_missing(tmp_path: Path) -> None:
    broken = tmp_path / "libmsodbcsql.so"
    broken.write_bytes(b"not a library")
    with pytest.raises(DriverMissingError) as raised:
        find_driver(str(broken))
    assert "apt-get install" in raised.value.hint
