"""What became of one image file: its report, or why it was refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from lucency.annotations.sources import writable
from lucency.api.error_schemas import error_answer, image_error_code
from lucency.api.prediction_names import ImageFile
from lucency.api.schemas import Report
from lucency.configs.errors import ImageFault


@dataclass(frozen=True)
class Picture:
    """A JPEG of one image; ``suffix`` tells it from others of the same image."""

    suffix: str
    jpeg: bytes


@dataclass(frozen=True)
class Outcome:
    """One file: its report and the pictures drawn of it, or the error that was met."""

    image: ImageFile
    report: Report | None = None
    error: str = ""
    fault: ImageFault = ImageFault.UNREADABLE
    pictures: tuple[Picture, ...] = ()

    @property
    def error_code(self) -> str:
        """The service's code for the error; empty where there is none."""
        if self.report is not None:
            return ""
        if self.fault is ImageFault.UNKNOWN_FORMAT:
            return "not_an_image"
        return image_error_code(self.fault)

    def json_line(self) -> str:
        """The service's answer, the file's name before it."""
        name = json.dumps(self.image.name, ensure_ascii=False)
        if self.report is not None:
            return f'{{"file":{name},{self.report.model_dump_json()[1:]}\n'
        answer = error_answer(self.error_code, writable(self.error), fault=self.fault)
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return f'{{"file":{name},{text[1:]}\n'


# What an output is told of each file, in the order of the files.
Write = Callable[[Outcome], None]
