"""The daemon's settings: one frozen Struct from a TOML file and the environment.

`DTAAS_<SECTION>__<KEY>` in the environment wins over the file. Everything is checked at once, and
every mistake is named by its path.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta, Struct, field

from dtaas.model.errors import SettingsError

_PREFIX = "DTAAS_"
_SECRET_WORDS = ("password", "secret", "token")
Port = Annotated[int, Meta(ge=0, le=65535)]


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections."""


class ApiSettings(_Section, frozen=True, kw_only=True):
    """`[api]`: REST, WebSocket and page.

    Attributes:
        port: 0 takes a free one.
        allowed_hosts: values of the Host header accepted besides the loopback names.
        cors_origins: origins of pages served elsewhere that may call the API.
        max_body_mb: larger requests are refused.
        tls_certificate, tls_key: PEM files; with both the daemon speaks HTTPS. Read anew on SIGHUP.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 8000
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    max_body_mb: Annotated[int, Meta(ge=1, le=1024)] = 8
    tls_certificate: str = ""
    tls_key: str = ""


class OidcSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[auth.oidc]]`: an identity provider users may log in at.

    Attributes:
        name: in addresses; the provider is told `/api/auth/oidc/NAME/callback`.
        title: on the button.
        issuer: its address, where `/.well-known/openid-configuration` is.
        public_url: how browsers reach this daemon, such as `https://dtaas.example.com`.
        username_claim: what a new user is named by.
        role_claim: claim that holds a role or groups; empty gives everybody `default_role`.
        admin_values, operator_values, viewer_values: of that claim, by the role they give.
        default_role: of users none of these values fit; empty refuses them.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")]
    title: str = ""
    issuer: Annotated[str, Meta(pattern="^https?://")]
    client_id: str
    client_secret: str = ""
    public_url: Annotated[str, Meta(pattern="^https?://")]
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    username_claim: str = "preferred_username"
    role_claim: str = ""
    admin_values: tuple[str, ...] = ()
    operator_values: tuple[str, ...] = ()
    viewer_values: tuple[str, ...] = ()
    default_role: Annotated[str, Meta(pattern="^(|viewer|operator|admin)$")] = "viewer"


class AuthSettings(_Section, frozen=True, kw_only=True):
    """`[auth]`: who may use the daemon.

    Attributes:
        enabled: false lets everybody in as admin, and is possible on loopback only.
        session_hours: a login ends after so long,
        idle_minutes: or so long after its last request.
        min_password_length: of new passwords.
        argon2_time_cost, argon2_memory_mb, argon2_lanes: what a guess of a password costs.
        most_failures: wrong passwords in 15 minutes that lock a name,
        lockout_minutes: for so long.
        logins_per_minute: tries from one address.
        access_token_minutes: how long a machine's access token lasts.
        secure_cookies: send them over HTTPS only, though a proxy speaks HTTP to the daemon.
        socket_role: what members of the admin socket's group may do; root and the daemon's own
            user are admins.
    """

    enabled: bool = True
    session_hours: Annotated[float, Meta(gt=0, le=8760)] = 12
    idle_minutes: Annotated[float, Meta(gt=0, le=525_600)] = 120
    min_password_length: Annotated[int, Meta(ge=1, le=128)] = 12
    argon2_time_cost: Annotated[int, Meta(ge=1, le=100)] = 3
    argon2_memory_mb: Annotated[int, Meta(ge=1, le=4096)] = 64
    argon2_lanes: Annotated[int, Meta(ge=1, le=64)] = 4
    most_failures: Annotated[int, Meta(ge=1, le=1000)] = 10
    lockout_minutes: Annotated[float, Meta(gt=0, le=1440)] = 15
    logins_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 20
    access_token_minutes: Annotated[float, Meta(gt=0, le=1440)] = 15
    secure_cookies: bool = False
    socket_role: Annotated[str, Meta(pattern="^(viewer|operator|admin)$")] = "operator"
    oidc: tuple[OidcSettings, ...] = ()


class StoreSettings(_Section, frozen=True, kw_only=True):
    """`[store]`: the metadata database.

    Attributes:
        url: empty is SQLite `dtaas.db` in the data folder; else `postgresql://user:pw@host/db`.
        key: the key of the connectors' secrets itself, 64 hex digits; from the environment,
            `DTAAS_STORE__KEY`.
        key_file: a file with it; empty is `dtaas.key` in `$CREDENTIALS_DIRECTORY` where systemd
            put one, else in the data folder, where the first start makes it.
    """

    url: str = ""
    key: str = ""
    key_file: str = ""


class SecretsSettings(_Section, frozen=True, kw_only=True):
    """`[secrets]`: what `${env:…}`, `${file:…}`, `${aws-sm:…}` and `${vault:…}` may read.

    Attributes:
        env: patterns of variables connectors may name; never the daemon's own, `DTAAS_…`, but for
            `DTAAS_SECRET_…`.
        file_roots: folders of files they may name, besides `$CREDENTIALS_DIRECTORY`.
        aws_region, aws_endpoint_url: of AWS Secrets Manager; empty leaves them to the environment.
        vault_address: of HashiCorp Vault, such as `https://vault.example.com:8200`.
        vault_mount: of the key-value store, version 2, that paths are read from.
        vault_token, vault_token_file: a token; the file is read at every use.
        vault_role_id, vault_secret_id, vault_secret_id_file: an AppRole instead of a token.
        vault_ca_file: certificates to trust instead of the machine's.
    """

    env: tuple[str, ...] = ("*",)
    file_roots: tuple[str, ...] = ("/etc/dtaas/secrets", "/run/secrets")
    aws_region: str = ""
    aws_endpoint_url: str = ""
    vault_address: Annotated[str, Meta(pattern="^(|https?://.+)$")] = ""
    vault_mount: Annotated[str, Meta(min_length=1)] = "secret"
    vault_namespace: str = ""
    vault_token: str = ""
    vault_token_file: str = ""
    vault_role_id: str = ""
    vault_secret_id: str = ""
    vault_secret_id_file: str = ""
    vault_approle_mount: Annotated[str, Meta(min_length=1)] = "approle"
    vault_ca_file: str = ""


class ConnectorsSettings(_Section, frozen=True, kw_only=True):
    """`[connectors]`: where connectors and alert channels may reach.

    Attributes:
        file_roots: folders that destinations may lie in; never the daemon's own or the system's.
        allow_link_local: also addresses such as 169.254.169.254, where cloud machines keep their
            credentials.
    """

    file_roots: tuple[str, ...] = ("/",)
    allow_link_local: bool = False


class DaemonSettings(_Section, frozen=True, kw_only=True):
    """`[daemon]`: the process itself.

    Attributes:
        data_dir: empty is `$STATE_DIRECTORY`, else `./.dtaas`.
        admin_socket: empty is `admin.sock` in `$RUNTIME_DIRECTORY`, else in the data folder.
        shutdown_grace_s: seconds a stop may drain before it cuts.
        high_availability: share the metadata database, a PostgreSQL, with other daemons.
        memory_connectors: offer the in-process connectors; for tests only.
    """

    data_dir: str = ""
    admin_socket: str = ""
    shutdown_grace_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    high_availability: bool = False
    memory_connectors: bool = False


class LogSettings(_Section, frozen=True, kw_only=True):
    """`[log]`: `format` is json, text, or auto: text on a terminal."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    format: Annotated[str, Meta(pattern="^(auto|json|text)$")] = "auto"


Days = Annotated[int, Meta(ge=1, le=36_500)]


class RetentionSettings(_Section, frozen=True, kw_only=True):
    """`[retention]`: how long the metadata database keeps what it could do without.

    Attributes:
        metrics_days: samples of the daemon's figures.
        logs_days: log lines of executions.
        executions_days: executions with their tables.
        executions_per_task: newest executions of each task that stay however old they are.
        alerts_days: alerts that are over.
    """

    metrics_days: Days = 30
    logs_days: Days = 30
    executions_days: Days = 180
    executions_per_task: Annotated[int, Meta(ge=1, le=100_000)] = 20
    alerts_days: Days = 180


class GuardSettings(_Section, frozen=True, kw_only=True):
    """`[guards]`: when running tasks are paused so that the machine survives.

    Attributes:
        disk_percent: of the disk the data folder is on; over 100 switches the guard off.
        memory_percent: of the machine's memory, or of the control group's limit.
    """

    disk_percent: Annotated[float, Meta(ge=1, le=101)] = 97.0
    memory_percent: Annotated[float, Meta(ge=1, le=101)] = 95.0


class TelemetrySettings(_Section, frozen=True, kw_only=True):
    """`[telemetry]`: exporters; they need the extra `dtaas[telemetry]`.

    Attributes:
        otlp_endpoint: of an OpenTelemetry collector, OTLP over HTTP; empty is none.
        openlineage_url: of a server that takes OpenLineage events; empty is none.
        openlineage_token: sent to it as a bearer token.
        openlineage_namespace: of the jobs, which are named as the tasks.
    """

    otlp_endpoint: str = ""
    openlineage_url: str = ""
    openlineage_token: str = ""
    openlineage_namespace: Annotated[str, Meta(min_length=1)] = "dtaas"


class Settings(Struct, frozen=True, kw_only=True):
    """All sections."""

    api: ApiSettings = field(default_factory=ApiSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    connectors: ConnectorsSettings = field(default_factory=ConnectorsSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    log: LogSettings = field(default_factory=LogSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)

    def shown(self) -> dict[str, dict[str, Any]]:
        """Return the settings as they may be shown: what may hold a password is hidden."""
        sections: dict[str, dict[str, Any]] = msgspec.to_builtins(self)
        return {name: _hidden(section) for name, section in sections.items()}

    def data_dir(self, environ: Mapping[str, str]) -> Path:
        """Return the folder of the daemon's own state."""
        return Path(self.daemon.data_dir or environ.get("STATE_DIRECTORY") or ".dtaas").absolute()

    def admin_socket(self, environ: Mapping[str, str]) -> Path:
        """Return the path of the admin socket."""
        if self.daemon.admin_socket:
            return Path(self.daemon.admin_socket).absolute()
        folder = environ.get("RUNTIME_DIRECTORY")
        return (Path(folder) if folder else self.data_dir(environ)) / "admin.sock"


def _hidden(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table without what may hold a password, in the tables inside it neither."""
    shown: dict[str, Any] = {}
    for key, value in table.items():
        named = any(word in key for word in _SECRET_WORDS) and not key.endswith("_file")
        secret = key in {"url", "key"} or named
        if secret and value and isinstance(value, str):
            shown[key] = "***"
        elif isinstance(value, list | tuple):
            shown[key] = [_hidden(v) if isinstance(v, dict) else v for v in value]
        else:
            shown[key] = value
    return shown


def load_settings(
    path: Path | None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Settings:
    """Return the settings of the file at `path`, the environment, and `overrides` over both.

    Raises:
        SettingsError: names every mistake by its path, one a line.
    """
    environ = os.environ if environ is None else environ
    data = _read(path)
    mistakes: list[str] = []
    for section, key, value in _from_environment(environ):
        table = data.setdefault(section, {})
        if isinstance(table, dict):
            table[key] = value
    for section, values in (overrides or {}).items():
        data.setdefault(section, {}).update(values)
    sections: dict[str, Any] = {}
    types = get_type_hints(Settings)
    for name, values in data.items():
        if name not in types:
            mistakes.append(f"$.{name}: no such section; there are {', '.join(types)}")
        elif not isinstance(values, dict):
            mistakes.append(f"$.{name}: expected a section")
        else:
            sections[name] = _section(name, types[name], values, mistakes)
    if mistakes:
        where = f"{path}: " if path else ""
        raise SettingsError(
            where + "; ".join(mistakes),
            hint="config/dtaas.example.toml explains every key; "
            "dtaas check-config FILE checks a file.",
        )
    return Settings(**sections)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsError(
            f"Cannot read {path}: {exc.strerror}.", hint="Check the path and its permissions."
        ) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} is not valid TOML: {exc}.") from exc


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    found = []
    for name, value in sorted(environ.items()):
        section, separator, key = name.removeprefix(_PREFIX).partition("__")
        if name.startswith(_PREFIX) and separator:
            found.append((section.lower(), key.lower(), value))
    return found


def _section(name: str, kind: type[_Section], values: dict[str, Any], mistakes: list[str]) -> Any:
    """Check a section key by key, so that all its mistakes are found, and build it."""
    hints = get_type_hints(kind, include_extras=True)
    good: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            mistakes.append(f"$.{name}.{key}: no such key; there are {', '.join(hints)}")
            continue
        try:
            good[key] = _convert(value, hints[key])
        except msgspec.ValidationError as exc:
            mistakes.append(f"$.{name}.{key}: {exc}")
    return kind(**good)


def _convert(value: Any, hint: Any) -> Any:
    """Convert a TOML value strictly and a text of the environment as its key's type asks."""
    if isinstance(value, str) and hint == tuple[str, ...]:
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return msgspec.convert(value, hint, strict=not isinstance(value, str))
