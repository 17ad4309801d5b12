"""`bridge doctor`: every step towards each server, with a tick or an explanation.

It changes nothing: it logs in to nobody, refreshes nothing, and registers a client only
when it is told to. `finding`, `trail` and `verdicts` are pure; `walk` asks.
"""
