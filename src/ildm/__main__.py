"""`python -m ildm` is `ildm`."""

from ildm.cli.main import main

main()
