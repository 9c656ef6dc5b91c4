"""Short pages for people, where the studio's own cannot be shown. Each stands alone: it needs no script, and no file."""

from __future__ import annotations

from html import escape

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from ildm.studio.config import DEFAULT_PORT
from ildm.studio.refusals import STATUS, Refused

PLACES = frozenset({"/", "/launch"})
"""What people open; everything else is asked for by programs, among them the page."""
_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">{more}
    <link rel="icon" href="/favicon.svg" type="image/svg+xml">
    <title>{title} - ildm studio</title>
    <style nonce="{nonce}">
      :root {{ color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --text: #1c2128; --soft: #525b66; --edge: #d8dde3; }}
      @media (prefers-color-scheme: dark) {{
        :root {{ --ground: #14171b; --card: #1d2126; --text: #e8ebee; --soft: #a6b0bb; --edge: #363d45; }}
      }}
      body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--text);
        font: 1rem/1.6 system-ui, sans-serif; }}
      main {{ max-width: 34rem; margin: 1.5rem; padding: 1.75rem 2rem; background: var(--card); border: 1px solid var(--edge);
        border-radius: 12px; }}
      h1 {{ margin: 0 0 0.75rem; font-size: 1.35rem; line-height: 1.3; }}
      p {{ margin: 0.75rem 0; }}
      small {{ color: var(--soft); font-size: 0.9rem; }}
      a {{ color: inherit; }}
      code {{ font: 0.92em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }}
      pre {{ margin: 0.75rem 0; padding: 0.75rem 1rem; background: var(--ground); border: 1px solid var(--edge);
        border-radius: 8px; overflow-x: auto; }}
    </style>
  </head>
  <body>
    <main>
      <h1>{title}</h1>
{body}
    </main>
  </body>
</html>
"""


def for_stranger(problem: Refused, scope: Scope, port: int) -> Response | None:
    """How to get in, for a person whose browser is not known; None where a program asks.

    Args:
        problem: why nothing else is shown.
        port: on which the server listens.
    """
    if problem.code != "no-access" or scope["type"] != "http" or scope["path"] not in PLACES:
        return None
    headers = Headers(scope=scope)
    if "text/html" not in headers.get("accept", ""):
        return None
    if scope["path"] == "/" and headers.get("sec-fetch-site") == "cross-site":
        return come_in(scope)  # it may have a cookie, and shows it when it comes from here
    if scope["path"] == "/launch":
        why = "The link that you opened has been used already, or is too old: each one opens the studio once, within a day."
    else:
        why = "The studio shows itself only to a browser that came by an address which it printed, so that no other page can reach it."
    command = "ildm studio --link" + ("" if port == DEFAULT_PORT else f" --port {port}")
    body = f"""      <p>{why}</p>
      <p>To get a new address, type this on the machine where the studio runs, and open what it prints:</p>
      <pre><code>{command}</code></pre>
      <p><small>In a checkout that <code>make studio</code> has set up, that is <code>.venv/bin/{command}</code>. Nothing is lost: your
      pictures are all there when you are back.</small></p>"""
    return _notice(scope, "This browser needs a new address", body, STATUS[problem.code])


def not_built(scope: Scope) -> Response:
    """How to build the page, where that was never done."""
    body = """      <p>The server runs, and programs can use it, but it has no page to show: this source tree was never
      installed as a whole.</p>
      <p>Build the page, then reload this one:</p>
      <pre><code>cd web &amp;&amp; npm ci &amp;&amp; npm run build</code></pre>
      <p><small>Or type <code>make studio</code>, which does all of it and needs no Node. What programs can do is in the
      <a href="/api/openapi.json">description</a>.</small></p>"""
    return _notice(scope, "The studio's page is not built", body, 503)


def come_in(scope: Scope) -> Response:
    """Goes on to the studio by itself. A browser that came from another site would not show its cookie if it were only sent on."""
    body = '      <p><a href="/">Open the studio</a></p>'
    more = '\n    <meta http-equiv="refresh" content="0; url=/">'
    return _notice(scope, "The studio opens", body, 200, more)


def _notice(scope: Scope, title: str, body: str, status: int, more: str = "") -> Response:
    nonce: str = scope["state"]["nonce"]
    return HTMLResponse(_PAGE.format(title=escape(title), body=body, more=more, nonce=nonce), status)
