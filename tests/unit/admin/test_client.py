import httpx
import msgspec
import pytest

from dtaas.admin.client import DaemonRefusedError, _decoded, unreachable
from dtaas.api.problems import problem_of
from dtaas.model import errors
from dtaas.model.errors import DtaasError, FatalError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DtaasError)
]


def test_codes_tell_errors_apart():
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_back_as_it_was_raised(kind: type[DtaasError]):
    problem = problem_of(kind("It broke.", hint="Mend it.", field="$.x"), "id")
    answer = httpx.Response(problem.status, content=msgspec.json.encode(problem))
    with pytest.raises(kind) as caught:
        _decoded(answer, dict)
    assert type(caught.value) is kind
    assert (caught.value.detail, caught.value.hint, caught.value.field) == (
        "It broke.",
        "Mend it.",
        "$.x",
    )


def test_an_error_without_a_name_here_keeps_its_code():
    body = b'{"code":"new_trouble","detail":"It broke."}'
    with pytest.raises(DaemonRefusedError) as caught:
        _decoded(httpx.Response(503, content=body), dict)
    assert caught.value.code == "new_trouble"
    assert DaemonRefusedError.code == FatalError.code


def test_an_error_that_is_no_problem_is_still_one():
    with pytest.raises(FatalError) as caught:
        _decoded(httpx.Response(502, content=b"<html>"), dict)
    assert "502" in caught.value.detail


def test_missing_rights_are_told_apart(tmp_path):
    assert "group" in unreachable(tmp_path, PermissionError(13, "Permission denied")).hint
    assert "dtaas serve" in unreachable(tmp_path, FileNotFoundError(2, "No such file")).hint
