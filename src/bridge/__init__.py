"""Many MCP servers behind one validated endpoint, supervised on Trio."""

__version__ = "0.1.0"
