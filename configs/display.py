"""`DisplaySpec`: how pixels become the 8-bit image that a model sees."""

import hashlib
import json
from typing import Literal

from pydantic import Field, model_validator

from lucency.configs.schema import StrictModel


class DisplaySpec(StrictModel):
    """Parameters of the one display function; part of every bundle.

    ``method`` says how stored values become grey levels after the Modality LUT:

    - ``as_displayed``: the image's own VOI LUT or first window; 8-bit images pass unchanged;
      without either, the whole range of the pixels.
    - ``percentile``: linear between the ``low`` and ``high`` percentile of the pixels, whatever
      the file says; the same for 8 and 16 bits.

    MONOCHROME1 is inverted after that, so that bone is bright in every model's input. With
    ``longest_side`` a larger image is then reduced by area averaging, which keeps thin lines
    that plain subsampling would lose.
    """

    method: Literal["as_displayed", "percentile"] = "as_displayed"
    low: float = Field(default=0.5, ge=0.0, le=100.0, description="percentile shown black")
    high: float = Field(default=99.5, ge=0.0, le=100.0, description="percentile shown white")
    longest_side: int | None = Field(default=None, ge=32, description="pixels; larger is reduced")

    @model_validator(mode="after")
    def _percentiles_in_order(self) -> "DisplaySpec":
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        return self

    def digest(self) -> str:
        """SHA-256 of the parameters: equal digests mean equal pixels."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
