"""Write the schema of a session's messages anew: docs/messages.schema.json."""

from __future__ import annotations

import json
from pathlib import Path

from ildm.session.message_schema import message_schema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "messages.schema.json"


def text() -> str:
    """The file's content."""
    return json.dumps(message_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    print(f"{PAGE.name} is written.")
