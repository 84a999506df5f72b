"""Errors whose text is for the user: the bad value, the allowed values, the place, and the command that fixes it."""


class LabError(Exception):
    """An error that the user can understand and fix. Print the message unchanged, without a traceback.

    ``exit_code`` is the exit code of a command that ends with this error.
    """

    exit_code = 1


class InputError(LabError):
    """Invalid input of the user (a sweep file, an option); no host was touched."""

    exit_code = 2
