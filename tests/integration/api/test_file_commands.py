"""Files at the command line, against a served daemon."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from anyio import to_thread
from click.testing import CliRunner, Result

from dtaas.cli.main import cli
from tests.fakes.services_at_work import LINES, ORDERS
from tests.integration.api.conftest import Served


async def run(
    served: Served, *arguments: str, code: int = 0, text: str = "", **more: Any
) -> Result:
    def invoke() -> Result:
        line = [*arguments, "--socket", str(served.socket)]
        return CliRunner().invoke(cli, line, input=text, color=True, **more)

    result = await to_thread.run_sync(invoke)
    assert result.exit_code == code, result.output
    return result


async def test_export_edit_diff_apply_and_no_difference_is_left(served: Served, tmp_path: Path):
    await served.work.task(ORDERS, name="Night load")
    file = tmp_path / "night.yaml"
    await run(served, "export", "Night load", "--connectors", "-o", str(file))
    same = await run(served, "diff", "-f", str(file))
    assert same.stdout == ""
    file.write_text(file.read_text() + "description: at night\nbatch_size_mb: 8\n")
    shown = await run(served, "diff", "-f", str(file), code=1)
    assert "\x1b[32m+description: at night" in shown.stdout
    dry = await run(served, "apply", "-f", str(file), "--dry-run")
    assert "Task 'Night load': would be changed." in dry.stdout
    await run(served, "diff", "-f", str(file), code=1)
    done = await run(served, "apply", "-f", str(file))
    assert "Task 'Night load': changed." in done.stdout
    assert done.stdout.count("as it was") == 2
    await run(served, "diff", "-f", str(file))
    out = (await run(served, "export", "Night load", "--connectors")).stdout
    assert yaml.safe_load_all(out)
    assert list(yaml.safe_load_all(out)) == list(yaml.safe_load_all(file.read_text()))


async def test_refusals_name_file_and_line_and_apply_nothing(served: Served, tmp_path: Path):
    task = await served.work.task(ORDERS, name="One")
    good = (await run(served, "export", "One")).stdout
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(good + "description: changed\n")
    second.write_text("name: Two\nsource: nowhere\ndestination: nirvana\nsource_tables: [5]\n")
    refused = await run(served, "apply", "-f", str(first), "-f", str(second), code=1)
    assert f"{second}:2" in refused.stderr
    assert f"{second}:3" in refused.stderr
    assert f"{second}:4" in refused.stderr
    assert "'nirvana'" in refused.stderr
    assert "Nothing was applied." in refused.stderr
    as_json = await run(served, "diff", "-f", str(first), "-f", str(second), "--json", code=1)
    told = msgspec.json.decode(as_json.stdout)
    assert {p["code"] for p in told["problems"]} == {"connector_missing", "validation_failed"}
    assert (await served.work.services.tasks.get(task.id)).spec.description == ""


async def test_secrets_come_from_the_environment_of_the_command(
    served: Served, monkeypatch: pytest.MonkeyPatch
):
    text = (
        "kind: connector\nname: Shop\nsource_type: sqlserver\nconnection_config:\n  host: h\n"
        "  database: d\n  username: u\n  password: ${env:DTAAS_SECRET_SHOP_PASSWORD}\n"
    )
    missing = await run(served, "apply", "-f", "-", text=text, code=1)
    assert "DTAAS_SECRET_SHOP_PASSWORD" in missing.stderr
    monkeypatch.setenv("DTAAS_SECRET_SHOP_PASSWORD", "open sesame")
    done = await run(served, "apply", "-f", "-", "--json", text=text)
    assert "sesame" not in done.output
    [change] = msgspec.json.decode(done.stdout)["changes"]
    connector = await served.work.services.connectors.get(change["id"])
    assert connector.config.password == "open sesame"  # type: ignore[attr-defined]
    monkeypatch.setenv("DTAAS_SECRET_SHOP_PASSWORD", "another")
    shown = await run(served, "diff", "-f", "-", text=text, code=1)
    assert "password gets another value" in shown.stdout
    assert "another\n" not in shown.stdout.replace("gets another value", "")


async def test_everything_is_exported_and_names_are_mapped(served: Served):
    await served.work.task(ORDERS, name="One")
    await served.work.task(LINES, name="Two")
    everything = (await run(served, "export", "--all")).stdout
    kinds = [document["kind"] for document in yaml.safe_load_all(everything)]
    assert kinds == ["connector"] * 4 + ["task"] * 2
    as_json = msgspec.json.decode((await run(served, "export", "--all", "--json")).stdout)
    assert as_json == list(yaml.safe_load_all(everything))
    [document] = yaml.safe_load_all((await run(served, "export", "One")).stdout)
    text = msgspec.json.encode({**document, "source": "theirs"}).decode()
    await run(served, "diff", "-f", "-", text=text, code=1)
    named = f"theirs={document['source']}"
    await run(served, "diff", "-f", "-", "--connector", named, text=text)


async def test_a_plan_of_a_run(served: Served):
    task = await served.work.task(ORDERS, LINES, name="One")
    told = (await run(served, "plan", "One")).stdout
    assert "dbo.orders -> dbo/orders: about 3 rows" in told
    assert "Create dbo/orders (id int64, name string)." in told
    assert "not known before it ran once" in told
    await run(served, "start", "One", "--wait")
    told = (await run(served, "plan", "One", "--table", "dbo.lines")).stdout
    assert "\x1b[31m  Replace the 3 rows at dbo/lines." in told
    assert "1 steps replace or drop something" in told
    as_json = msgspec.json.decode((await run(served, "plan", str(task.id), "--json")).stdout)
    assert as_json["rows"] == 6
    del served.work.source.tables[LINES]
    assert "table_not_found" in (await run(served, "plan", "One", code=1)).stdout


async def test_wrong_usage(served: Served, tmp_path: Path):
    await run(served, "export", code=2)
    await run(served, "apply", code=2)
    await run(served, "diff", "-f", str(tmp_path / "none.yaml"), code=2)
    await run(served, "diff", "-f", "-", "--connector", "x", text="a: 1", code=2)
    await run(served, "export", "Nobody", code=1)
    gone = await to_thread.run_sync(
        CliRunner().invoke, cli, ["export", "--all", "--socket", str(tmp_path / "no.sock")]
    )
    assert gone.exit_code == 3
