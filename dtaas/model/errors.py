"""The one error vocabulary, from driver to web page.

Every error says what is wrong (`detail`), what to do (`hint`) and where (`field`), carries a
stable `code`, and is named by what happens next: retry, fail, or answer the caller.
"""

from enum import StrEnum
from typing import ClassVar

from dtaas.model.schema import TableRef


class Action(StrEnum):
    """What the engine does when an error reaches it, from mild to severe."""

    RETRY = "retry"
    BUG = "bug"
    FAIL = "fail"


class DtaasError(Exception):
    """Base of all errors of ours.

    Attributes:
        code: stable label for logs, metrics, API and exit texts.
        detail: one sentence that says what is wrong and names the object.
        hint: what the reader should do, empty when there is nothing to do.
        field: JSON path of the offending input (`$.connection_config.port`), or None.
    """

    code: ClassVar[str] = "internal"
    action: ClassVar[Action] = Action.BUG

    def __init__(self, detail: str, *, hint: str = "", field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.field = field


# --- retry: a later attempt may work ------------------------------------------------------------
class RetryableError(DtaasError):
    """Restart after backoff. `retry_after_s` is the least wait the other side asked for."""

    code = "temporarily_unavailable"
    action = Action.RETRY

    def __init__(
        self, detail: str, *, hint: str = "", field: str | None = None, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(detail, hint=hint, field=field)
        self.retry_after_s = retry_after_s


class ConnectionLostError(RetryableError):
    """The link to a source or destination broke, or could not be made."""

    code = "connection_lost"


class TimedOutError(RetryableError):
    """The other side did not answer within the limit."""

    code = "timed_out"


class SourceBusyError(RetryableError):
    """Deadlock victim, lock timeout, snapshot conflict or resource limit at the source."""

    code = "source_busy"


class CaptureStoppedError(RetryableError):
    """Changes are not captured because the source's capture process does not run or fails."""

    code = "capture_stopped"


class DestinationUnavailableError(RetryableError):
    """The destination is throttling or failing on its side."""

    code = "destination_unavailable"


class NoProgressError(RetryableError):
    """Nothing moved for the watchdog's limit."""

    code = "no_progress"


class SecretStoreUnavailableError(RetryableError):
    """The service that keeps a secret does not answer."""

    code = "secret_store_unavailable"


class StoreUnavailableError(RetryableError):
    """The metadata database is locked, full or unreachable."""

    code = "store_unavailable"


class StoreReadOnlyError(StoreUnavailableError):
    """The metadata database takes no writes: a read-only disk, or a standby of PostgreSQL."""

    code = "store_read_only"


class StoreFullError(RetryableError):
    """The metadata database cannot grow; work goes on by itself once there is room again."""

    code = "store_full"


# --- fail: a person must change something -------------------------------------------------------
class FatalError(DtaasError):
    """Stop; trying again without a change cannot work."""

    code = "failed"
    action = Action.FAIL


class AuthenticationError(FatalError):
    """Wrong user, password or key."""

    code = "authentication_failed"


class PermissionDeniedError(FatalError):
    """The login is right but may not do this."""

    code = "permission_denied"


class SecretMissingError(FatalError):
    """A reference to a secret points to nothing, or to what may not be read."""

    code = "secret_missing"


class PlaceNotAllowedError(FatalError):
    """The settings do not let connectors reach that folder or address."""

    code = "place_not_allowed"


class HostNotFoundError(FatalError):
    """The name does not resolve."""

    code = "host_not_found"


class CertificateError(FatalError):
    """TLS could not verify the other side."""

    code = "certificate_invalid"


class DriverMissingError(FatalError):
    """A driver or system library is not installed."""

    code = "driver_missing"


class DatabaseNotFoundError(FatalError):
    """The database named in the connector does not exist or is not visible."""

    code = "database_not_found"


class TableNotFoundError(FatalError):
    """A source table does not exist or is not visible to the login."""

    code = "table_not_found"


class UnsupportedTypeError(FatalError):
    """A column cannot be moved without loss."""

    code = "unsupported_type"


class SchemaChangedError(FatalError):
    """The table changed while it was read, in a way the task does not allow."""

    code = "schema_changed"


class SchemaChangePendingError(FatalError):
    """The table changed, and somebody has to decide what becomes of it."""

    code = "schema_change_pending"


class SchemaChangeRefusedError(FatalError):
    """The table changed in a way that the task's policy or somebody refused."""

    code = "schema_change_refused"


class SourceQueryError(FatalError):
    """The source refused a statement for a reason no retry can mend."""

    code = "source_query_failed"


class ValueTooLargeError(FatalError):
    """A value is longer than the configured limit; nothing is ever truncated."""

    code = "value_too_large"


class TransformationsInvalidError(FatalError):
    """The steps of a table do not fit its columns, as found before a row is read."""

    code = "transformations_invalid"


class TransformationFailedError(FatalError):
    """A value did not pass a step that says to fail then."""

    code = "transformation_failed"


class TooManyRejectedError(FatalError):
    """More rows of a table were rejected than the task allows."""

    code = "too_many_rejected_rows"


class CaptureNotEnabledError(FatalError):
    """Change data capture is off for the database or a table; the hint holds the T-SQL."""

    code = "capture_not_enabled"


class WatermarkNeededError(FatalError):
    """A table has no column that tells which of its rows are new, or the one named will not do."""

    code = "watermark_needed"


class CaptureGapError(FatalError):
    """Changes the position still needs were cleaned away: the table must be loaded anew."""

    code = "capture_gap"


class MissedValuesError(CaptureGapError):
    """Columns came with values before they were captured, to a table without a key."""

    code = "values_missed"


class CaptureLostError(FatalError):
    """A capture instance vanished, was disabled, or was made again under the same name.

    Attributes:
        tables: whose instance it was.
    """

    code = "capture_lost"

    def __init__(
        self,
        detail: str,
        *,
        hint: str = "",
        field: str | None = None,
        tables: tuple[TableRef, ...] = (),
    ) -> None:
        super().__init__(detail, hint=hint, field=field)
        self.tables = tables


class SourceRestoredError(FatalError):
    """The source went back in time (restore, fail-over): positions mean something else."""

    code = "source_restored"


class BucketNotFoundError(FatalError):
    """The bucket does not exist."""

    code = "bucket_not_found"


class DestinationInUseError(FatalError):
    """Another task owns the target table or prefix."""

    code = "destination_in_use"


class OwnershipLostError(FatalError):
    """Another daemon has taken the task over; what this one still writes is refused."""

    code = "ownership_lost"


class DestinationFullError(FatalError):
    """No space left at the destination."""

    code = "destination_full"


class DestinationRefusedError(FatalError):
    """The destination does not take a statement or a value."""

    code = "destination_refused"


class DestinationConflictError(FatalError):
    """Somebody else changed the target's pointer or marker under us."""

    code = "destination_conflict"


class TargetCollisionError(FatalError):
    """Two source tables of one task map to the same target."""

    code = "target_collision"


class ExecutionTimeoutError(FatalError):
    """The execution ran past its time limit."""

    code = "execution_timeout"


class TablesFailedError(FatalError):
    """Some tables of an execution did not arrive; each has an error of its own."""

    code = "tables_failed"


class VerificationFailedError(FatalError):
    """Source and destination differ."""

    code = "verification_failed"


class StoreCorruptError(FatalError):
    """The metadata database cannot be read, or its key does not fit."""

    code = "store_corrupt"


class StoreInUseError(FatalError):
    """Another daemon works on the same metadata database."""

    code = "store_in_use"


class StoreVersionError(FatalError):
    """The metadata database was written by a newer version of DTaaS."""

    code = "store_too_new"


class SettingsError(FatalError):
    """The configuration file, environment or command line is wrong."""

    code = "invalid_settings"


class AddressInUseError(FatalError):
    """The port or socket is taken."""

    code = "address_in_use"


class CheckpointRegressionError(FatalError):
    """A position would have moved backwards."""

    code = "checkpoint_regression"


# --- request: the API caller's fault, no state changed ------------------------------------------
class RequestError(DtaasError):
    """Refused before anything changed. `status` is the HTTP status it becomes."""

    code = "bad_request"
    action = Action.FAIL
    status: ClassVar[int] = 400


class ValidationFailedError(RequestError):
    """The body does not have the required shape or breaks a rule."""

    code = "validation_failed"
    status = 422


class NotFoundError(RequestError):
    """No object with this id."""

    code = "not_found"
    status = 404


class NameTakenError(RequestError):
    """Names are unique."""

    code = "name_taken"
    status = 409


class InUseError(RequestError):
    """The object is referred to by others, which `detail` lists."""

    code = "in_use"
    status = 409


class TaskRunningError(RequestError):
    """Not while the task runs."""

    code = "task_running"
    status = 409


class RevisionConflictError(RequestError):
    """Somebody else changed the object since it was read."""

    code = "revision_conflict"
    status = 412


class ActionNotAllowedError(RequestError):
    """The task's state does not allow this action; `hint` lists those it allows."""

    code = "action_not_allowed"
    status = 409


class SecretRequiredError(RequestError):
    """The connection's host, port or endpoint changed, so the secret must be given again."""

    code = "secret_required"
    status = 422


class NotAuthenticatedError(RequestError):
    """Nobody knows who asks."""

    code = "not_authenticated"
    status = 401


class LoginRefusedError(RequestError):
    """Wrong name or password; which of both is not told."""

    code = "login_refused"
    status = 401


class ForbiddenError(RequestError):
    """Who asks is known, and may not."""

    code = "forbidden"
    status = 403


class CsrfError(RequestError):
    """A change without proof that a page of ours asked for it."""

    code = "csrf_token_missing"
    status = 403


class TooManyAttemptsError(RequestError):
    """Asked too often in too short a time. `retry_after_s` is the wait."""

    code = "too_many_attempts"
    status = 429

    def __init__(
        self, detail: str, *, hint: str = "", field: str | None = None, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(detail, hint=hint, field=field)
        self.retry_after_s = retry_after_s
