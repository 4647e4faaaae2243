"""Everything that can go wrong, as one tree.

::

    SemwatchdError
    ├── DataError            this input can never work: record it and move on
    ├── FileChangedError     the file was written to while we read it: settle again
    ├── EnvironmentFault     disk, share, permission, database: wait, at no cost to the job
    │   ├── JournalInUseError another daemon owns the journal
    │   └── FileGoneError    there is no such file now; with its folder present, it was removed
    ├── TransientError       the other side may take it later: back off and try again
    │   └── BreakerOpenError the other side has failed too often to be asked now
    ├── PermanentRejection   the other side will never take it: park it for a person
    └── ConfigError          the configuration cannot be run

The worker turns the first four into an :class:`~semwatchd.core.job.ErrorClass`; the relay turns the
rest into a delivery state. Nobody else decides.
"""


class SemwatchdError(Exception):
    """Base of every error this product raises on purpose."""


class DataError(SemwatchdError):
    """The file holds no picture we can trust; the message says which part and why."""


class FileChangedError(SemwatchdError):
    """The file changed between settling and the end of the read."""


class EnvironmentFault(SemwatchdError):  # noqa: N818 — a fault is the operators' word for it
    """Disk, share, permission or database is in the way; nothing is wrong with the image."""


class JournalInUseError(EnvironmentFault):
    """Another process runs its workers on this journal."""


class FileGoneError(EnvironmentFault):
    """There is no such file, at least not now."""


class TransientError(SemwatchdError):
    """The receiver did not take the event this time.

    Parameters
    ----------
    message
        What happened, for the operator.
    retry_after_s
        Seconds the receiver asked us to wait, if it did.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BreakerOpenError(TransientError):
    """The receiver failed so often that it is left alone for a while."""


class PermanentRejection(SemwatchdError):  # noqa: N818 — a refusal, not a fault of ours
    """The receiver refused the event for good (a 4xx answer, a schema it does not know)."""


class ConfigError(SemwatchdError):
    """The configuration cannot be run; one line per problem.

    Parameters
    ----------
    problems
        ``"watch.0.root: ... (allowed: ...)"``, one entry for every mistake found.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
