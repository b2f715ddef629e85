"""`DisplaySpec`: how pixels become the 8-bit image that a model sees."""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, model_validator

from lucency.configs.schema import StrictModel

# Raised whenever the display function gives other pixels for the same parameters, so that
# bundles and caches made with the old ones are not taken for equal.
DISPLAY_VERSION = 2

# The names under which whole sets of parameters can be asked for, in YAML and on the command line.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "as-displayed": {"method": "as_displayed"},
        "percentile": {"method": "percentile"},
        "chest": {"method": "percentile", "low": 0.5, "high": 99.5, "crop": "field"},
        "bone": {"method": "percentile", "low": 0.5, "high": 99.8, "crop": "body"},
        "clahe": {"method": "percentile", "clahe": 2.0},
    }
)


class DisplaySpec(StrictModel):
    """Parameters of the one display function; part of every bundle.

    ``method`` says how stored values become grey levels after the Modality LUT:

    - ``as_displayed``: the image's own VOI LUT or window; 8-bit images pass unchanged; without
      either, the whole range of the pixels. ``view`` says which, where the file has several:
      its VOI LUTs come first, then its windows; the first where there are not so many.
    - ``percentile``: linear between the ``low`` and ``high`` percentile of the pixels, whatever
      the file says; the same for 8 and 16 bits.

    MONOCHROME1 is inverted after that, so that bone is bright in every model's input. ``crop``
    leaves the margins out, before anything is measured: ``field`` keeps the part that was
    exposed, ``body`` that of it in which the body is. With ``longest_side`` a larger image is then
    reduced by area averaging, which keeps thin lines that plain subsampling would lose. ``clahe``
    is the clip limit of a contrast-limited adaptive histogram equalisation in 8 by 8 tiles.

    In YAML a name of `PRESETS` may stand for the whole, or as ``preset`` beside what differs.
    """

    method: Literal["as_displayed", "percentile"] = "as_displayed"
    view: int = Field(default=0, ge=0, description="which VOI LUT or window, from 0")
    low: float = Field(default=0.5, ge=0.0, le=100.0, description="percentile shown black")
    high: float = Field(default=99.5, ge=0.0, le=100.0, description="percentile shown white")
    crop: Literal["none", "field", "body"] = "none"
    longest_side: int | None = Field(default=None, ge=32, description="pixels; larger is reduced")
    clahe: float | None = Field(default=None, gt=0.0, le=40.0, description="clip limit")

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: object) -> object:
        if isinstance(values, str):
            values = {"preset": values}
        if not isinstance(values, Mapping) or "preset" not in values:
            return values
        name = values["preset"]
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r:.40}")
        return {**PRESETS[name], **{key: v for key, v in values.items() if key != "preset"}}

    @model_validator(mode="after")
    def _percentiles_in_order(self) -> "DisplaySpec":
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        return self

    def digest(self) -> str:
        """SHA-256 of the parameters: equal digests mean equal pixels."""
        values = {"version": DISPLAY_VERSION, **self.model_dump(mode="json")}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def whole(self) -> "DisplaySpec":
        """The same grey levels for the whole image at its stored size, to draw boxes on."""
        return self.model_copy(update={"longest_side": None, "crop": "none"})
