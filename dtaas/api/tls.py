"""TLS with certificate files of one's own, which may be renewed while the daemon runs."""

import ssl
from pathlib import Path

from dtaas.model.errors import SettingsError
from dtaas.settings import ApiSettings


class Certificate:
    """A certificate with its chain and key, and the TLS settings made of them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read the files. Blocking.

        Raises:
            SettingsError: they cannot be read, or do not belong together.
        """
        self._certificate = certificate
        self._key = key
        self.context = self._read()

    def reload(self) -> None:
        """Read the files anew: connections made from now on see what they hold. Blocking.

        Raises:
            SettingsError: as above; the old certificate stays.
        """
        self._read()  # on settings of its own: a bad pair would leave the live ones half changed
        self._load(self.context)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key, _no_password)
        except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
            reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or exc
            raise SettingsError(
                f"The certificate {self._certificate} with the key {self._key} cannot be used:"
                f" {reason}.",
                hint="Both must be PEM, readable by the daemon's user and belong together; the key"
                " must have no password.",
                field="$.api.tls_certificate",
            ) from exc


def _no_password() -> str:
    """Do not ask at a terminal nobody sits at."""
    raise ValueError("the key has a password")


def load_certificate(settings: ApiSettings) -> Certificate | None:
    """Return the certificate of the settings, None when they name none. Blocking.

    Raises:
        SettingsError: only one of the two files is named, or they cannot be used.
    """
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        missing = "tls_key" if settings.tls_certificate else "tls_certificate"
        raise SettingsError(
            f"$.api.{missing}: TLS needs a certificate and its key.", field=f"$.api.{missing}"
        )
    if not settings.tls_certificate:
        return None
    return Certificate(Path(settings.tls_certificate), Path(settings.tls_key))
