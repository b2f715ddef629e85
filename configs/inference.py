"""How often, and at which scales, a detector looks at one radiograph; part of every bundle."""

from pydantic import Field

from lucency.configs.schema import StrictModel


class TileSpec(StrictModel):
    """Overlapping square tiles of a radiograph, looked at besides the whole of it.

    ``size`` is a tile's side in pixels of the displayed image before its reduction to
    ``DisplaySpec.longest_side``. ``overlap`` is the least share of a tile that the next one shows
    too: a finding smaller than that is whole in one of them.
    """

    size: int = Field(ge=64, description="side of a tile in pixels of the unreduced image")
    overlap: float = Field(default=0.25, ge=0.0, le=0.75, description="share of a tile")


class InferenceOptions(StrictModel):
    """What a detector does beyond one look at the whole image.

    Each option changes scores, so thresholds and calibration hold for the options that they were
    chosen with; those stand in the bundle.
    """

    tiles: TileSpec | None = None
    flip: bool = Field(default=False, description="average with the mirrored image")
