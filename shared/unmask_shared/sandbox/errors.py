"""What goes wrong in a sandbox through no fault of the video."""


class SandboxFailure(RuntimeError):
    """A job ended for a reason that nobody foresaw; the log has what is known about it.

    It is none of the errors that are told to users: trying again may help, and whoever runs the
    job counts the attempts.
    """


class ProtocolViolation(ValueError):
    """A process sent something that does not follow the protocol."""
