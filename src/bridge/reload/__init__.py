"""Following the configuration file: reading it again, and saying what that changes."""
