"""The fuzzer finds nothing in the decoder, and finds what is broken on purpose."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.run import PARTS, SOURCES, build, compiler, work

pytestmark = pytest.mark.skipif(not compiler(), reason="there is no C compiler")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("fuzz") / "decoder"
    try:
        build(target)
    except subprocess.CalledProcessError:
        pytest.skip("the C compiler has no sanitizers")
    return target


def test_nothing_is_found(driver: Path) -> None:
    outcome = work(driver, seed=1, executions=20_000, seconds=120)
    assert outcome.findings == []
    assert outcome.executions == 20_000


@pytest.mark.usefixtures("driver")  # without sanitizers there is nothing to find with
@pytest.mark.parametrize(
    ("part", "check", "instead"),
    [
        (
            "values.c",
            "if (size != 5 && size != 9 && size != 13 && size != 17) return BAD_STREAM;",
            "",
        ),
        (
            "batch.c",
            "if (c->used + more <= c->capacity) return 0;",
            "if (c->used + more <= c->capacity + 80) return 0;",
        ),
        (
            "blocks.c",
            "if (capacity < size || capacity > 2 * size) continue;",
            "if (capacity < size / 2 || capacity > 2 * size) continue;",
        ),
        (
            "batch.c",
            "c->valid = c->data = NULL;\n  c->offsets = NULL;\n  c->nulls",
            "c->valid = NULL;\n  c->offsets = NULL;\n  c->nulls",
        ),
        (
            "stream.c",
            "if (stop - *from < 4) return NEED_BYTES;",
            "if (stop - *from < 3) return NEED_BYTES;",
        ),
    ],
)
def test_a_missing_check_is_found(tmp_path: Path, part: str, check: str, instead: str) -> None:
    for name in (*PARTS, "decoder.h", "internal.h"):
        shutil.copy(SOURCES / name, tmp_path)
    source = (tmp_path / part).read_text(encoding="utf-8")
    assert check in source
    (tmp_path / part).write_text(source.replace(check, instead), encoding="utf-8")
    build(tmp_path / "broken", tmp_path)
    outcome = work(tmp_path / "broken", seed=1, executions=200_000, seconds=120)
    assert outcome.findings
    assert "finding: seed " in outcome.findings[0]
