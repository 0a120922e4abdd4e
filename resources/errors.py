"""The errors of the project, and what each means for a retry.

    SuimonError
    ├── PermanentError          a rerun cannot help until somebody changes something
    │   ├── ConfigurationError  the user's file, environment or command line
    │   ├── GateClosed          what was prepared may not be published
    │   ├── BudgetReached       what a refresh or a day may cost is spent
    │   └── EndpointRefused     an endpoint that will never accept this
    └── TransientError          a rerun may help
        ├── DatabaseUnavailable Postgres went away, or has no room left
        ├── SourceUnavailable   a source that could not be listed or read
        ├── EndpointUnavailable an endpoint that did not answer in time
        ├── CollectionBusy      another refresh holds the collection
        ├── SpaceGone           a space was dropped meanwhile
        └── LeaseLost           another refresh took the collection over

Every message says what is wrong and what to do, in one sentence, without text of a document or a
secret. All of them survive pickling, since steps raise them across processes.
"""


class SuimonError(Exception):
    """Base of all errors that the project raises on purpose.

    Attributes:
        exit_code: what a command that ends with this error returns to the shell.
    """

    exit_code = 1


class PermanentError(SuimonError):
    """A rerun cannot help until somebody changes something."""


class ConfigurationError(PermanentError):
    """The user's file, environment or command line is wrong."""

    exit_code = 2


class GateClosed(PermanentError):
    """What was prepared may not be published; readers keep what they have."""

    exit_code = 3


class BudgetReached(PermanentError):
    """What a refresh or a day may cost is spent; what was paid for is kept, and a later refresh goes on."""

    exit_code = 3


class EndpointRefused(PermanentError):
    """An endpoint that will never accept this request as it is."""


class TransientError(SuimonError):
    """A rerun may help."""

    exit_code = 4


class DatabaseUnavailable(TransientError):
    """Postgres went away, or has no room left."""


class SourceUnavailable(TransientError):
    """A source that could not be listed or read."""


class EndpointUnavailable(TransientError):
    """An endpoint that did not answer in time."""


class CollectionBusy(TransientError):
    """Another refresh holds the collection."""


class SpaceGone(TransientError):
    """A vector space was dropped while something was done in it."""


class LeaseLost(TransientError):
    """Another refresh took the collection over."""
