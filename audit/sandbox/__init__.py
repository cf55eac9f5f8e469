"""A process that may do little: what it may call, see and use is an allowlist, and each claim about it is tried out.

- syscalls.py, seccomp.py: the system calls that may be made, and the kernel's filter that refuses all others.
- mounts.py: an empty root with bind mounts of what is needed, in namespaces of its own.
- landlock.py: the kernel's list of what may be read.
- isolate.py: the layers in their order, and which of them held.
- launch.py: the program that isolates itself and then hands over to a worker, under this interpreter or another one.
- process.py, serve.py: the two ends of the line for whoever wants a function of this project run in there.

All but process.py and serve.py are the standard library only and run under Python 3.8 or later: a model's own
interpreter runs them too.
"""
