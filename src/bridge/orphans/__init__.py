"""Children a killed bridge left behind: recorded while they live, ended by the next.

A bridge that is killed closes the pipes of its children, and most end by themselves.
For those that ignore it, every bridge keeps a file of the process groups it has
started, locked for as long as it lives; the next bridge of the same home ends what the
files without an owner name. Linux only: elsewhere nothing tells a process from a later
one with the same number, so there is no record and nothing is ended.

`PR_SET_PDEATHSIG` would be the kernel's own way, but it belongs to the thread that
forked, and trio forks in worker threads that end when idle.
"""
