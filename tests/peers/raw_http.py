"""Requests byte by byte, for what no client would send."""

import socket


def send_raw(port, *lines, body=b""):
    """Send a request's lines as they are. Returns the answer's status and all of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10.0) as connection:
        connection.sendall("\r\n".join((*lines, "Connection: close", "", "")).encode("latin-1") + body)
        answer = b""
        while part := connection.recv(2**16):
            answer += part
    return int(answer.split(b" ", 2)[1]), answer


def open_socket(port, *headers, host=None):
    """Ask for the socket with these headers and no others. Returns the status: 101 = let in."""
    asked = (
        "GET /api/socket HTTP/1.1",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *((f"Host: {host or f'127.0.0.1:{port}'}",) if host != "" else ()),
        *headers,
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10.0) as connection:
        connection.sendall("\r\n".join((*asked, "Connection: Upgrade", "", "")).encode("latin-1"))
        return int(connection.recv(2**16).split(b" ", 2)[1])
