"""The log: one JSON object a line. What people ask for is not in it unless somebody has said so."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

PROMPT_LOGGER = "ildm.studio.prompts"
"""Told what people ask for; silent unless `log_prompts`."""
_prompts = logging.getLogger(PROMPT_LOGGER)


class JsonLines(logging.Formatter):
    """A record as JSON: time, level, where it comes from, what it says, and the `fields` it carries."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "said": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info is not None and record.exc_info[0] is not None:
            told["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(told, ensure_ascii=False)


def log_prompt(session: str, prompt: str | None) -> None:
    """Put into the log what somebody asks for, where that is wanted."""
    if prompt:
        _prompts.info("prompt", extra={"fields": {"session": session, "prompt": prompt}})


def configure(*, log_prompts: bool, level: int = logging.INFO) -> None:
    """Send the log of this process to the standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger(PROMPT_LOGGER).disabled = not log_prompts
    for chatty in ("uvicorn.access", "asyncio", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
