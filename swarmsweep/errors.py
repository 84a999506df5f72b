"""Errors whose text is for the user: the bad value, the allowed values, the place, and the command that fixes it."""


class LabError(Exception):
    """An error that the user can understand and fix. Print the message unchanged, without a traceback.

    ``exit_code`` is the exit code of a command that ends with this error.

    Args:
        message: the whole text. It also has the next command, where there is one.
        next_command: the command of ``./lab`` to run now. A verb that fails shows it as its last line.
    """

    exit_code = 1

    def __init__(self, message: str = "", *, next_command: str | None = None) -> None:
        super().__init__(message)
        self.next_command = next_command


class InputError(LabError):
    """Invalid input of the user (a sweep file, an option); no host was touched."""

    exit_code = 2
