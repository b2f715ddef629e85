"""What the service writes to its log: no query strings, no values from images, no file names."""

import logging
import logging.config
import traceback
import warnings
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse

from lucency.api.schemas import error_answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGER = "lucency.service"


class WithoutQuery(logging.Filter):
    """Cuts the query string off the path of uvicorn's access records."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; every record passes."""
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


class UnexpectedErrors:
    """ASGI middleware: an error nobody foresaw becomes a 500 in the common form.

    The log gets the place and the type of the error, never its message, which may quote what
    stands in an image.
    """

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on and answer for it if it fails."""
        started = False

        async def watched(message: "Message") -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http":
                raise
            places = "".join(traceback.format_tb(error.__traceback__))
            logging.getLogger(LOGGER).error("%s at\n%s", type(error).__name__, places.rstrip())
            if not started:
                answer = error_answer("internal", "The service failed; its log says where.")
                await JSONResponse(answer, status_code=500)(scope, receive, send)


def configure_logging() -> None:
    """Set up the logs of this process: one stream, and silence for what quotes image data."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"without_query": {"()": WithoutQuery}},
            "formatters": {
                "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            },
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "line",
                    "stream": "ext://sys.stderr",
                },
            },
            "loggers": {
                "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
                "uvicorn.access": {
                    "handlers": ["stderr"],
                    "filters": ["without_query"],
                    "level": "INFO",
                    "propagate": False,
                },
                LOGGER: {"handlers": ["stderr"], "level": "INFO", "propagate": False},
                # Their warnings quote attributes such as the patient's name.
                "pydicom": {"level": "CRITICAL", "propagate": False},
                "PIL": {"level": "CRITICAL", "propagate": False},
            },
        }
    )
    warnings.simplefilter("ignore")
