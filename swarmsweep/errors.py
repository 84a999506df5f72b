"""Errors whose text is ready for the user: the bad value, what is allowed, where, and the command that fixes it."""


class LabError(Exception):
    """Something the user can understand and fix; print the message as it is, without a traceback.

    ``exit_code`` is what a command that meets it returns to the shell.
    """

    exit_code = 1


class InputError(LabError):
    """What the user wrote (a sweep file, an option) is refused; no host was touched."""

    exit_code = 2
