"""`python -m ildm.session.service --fd N --store FILE --model NAME`: serves until the other end of the socket is closed."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from ildm.checkpoint.load import load
from ildm.session.service.channel import Channel
from ildm.session.service.host import Host
from ildm.session.store import Store


def main() -> None:
    """Serve one asker."""
    parser = argparse.ArgumentParser(prog="python -m ildm.session.service")
    parser.add_argument("--fd", type=int, required=True, help="a connected stream socket")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--device")
    parser.add_argument("--dtype")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # whoever started it decides when it ends: at a Ctrl-C both hear of it, and the steps in flight are to be kept
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=options.fd))
    read = partial(load, device=options.device, dtype=options.dtype)
    Host(channel, Store(options.store), options.model, read=read).serve()


if __name__ == "__main__":
    main()
