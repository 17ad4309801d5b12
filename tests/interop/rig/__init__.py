"""What the interop tests start and talk to: real processes on loopback."""
