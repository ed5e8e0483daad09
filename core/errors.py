"""The one exception a user may see: a sentence that says what is wrong, with which file, and what to do."""


class UserError(Exception):
    """A mistake the user can mend. The CLI prints it on one line and exits with 2; a page shows it and lives on."""
