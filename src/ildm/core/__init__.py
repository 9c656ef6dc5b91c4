"""The vocabulary every layer shares: values, shapes, errors, randomness, configuration, files.

Nothing here imports another part of ildm, and nothing that imports torch is imported by this package itself, so
torch-free parts (the command line's help, the session's events) stay light.
"""
