"""The one exception a user may see, a sentence that says what is wrong, and the one that stops unwanted work."""


class UserError(Exception):
    """A mistake the user can mend. The CLI prints it on one line and exits with 2; a page shows it and lives on."""


class NotFinite(UserError):
    """A training has diverged: what it learned is not numbers."""


class Cancelled(Exception):
    """Raised by a progress callback: whoever asked for the work does not want it any more."""
