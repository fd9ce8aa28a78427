"""The one exception that ends the program with a line on stderr and exit status 2."""


class UsageError(Exception):
    """What the user asked for cannot be done. One line: option, value, what is right."""
