"""What can go wrong, as one line a person can act on."""


class ClusterError(Exception):
    """The cluster, or a part of it, cannot be had; the message says why and what would mend it."""


class CommandError(ClusterError):
    """A command of ours failed."""

    def __init__(self, command: str, returncode: int, output: str) -> None:
        super().__init__(f"{command} ended with {returncode}: {output.strip()[-2000:]}")
        self.command = command
        self.returncode = returncode
        self.output = output
