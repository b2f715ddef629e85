"""One radiograph as its models see it: what several need is worked out once."""

from collections.abc import Iterable

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import Displayed, display
from lucency.datasets.field import Crop, ExposedField, find_crop, find_field
from lucency.datasets.radiographs import Radiograph


class Views:
    """The displayed images of one radiograph; those of equal `DisplaySpec` are the same one."""

    def __init__(self, radiograph: Radiograph) -> None:
        self.radiograph = radiograph
        self._exposed: ExposedField | None = None
        self._crops: dict[Crop, tuple[int, int, int, int]] = {}
        self._shown: dict[DisplaySpec, Displayed] = {}

    def of(self, spec: DisplaySpec) -> Displayed:
        """As `display`; raises `ImageError` where it does."""
        shown = self._shown.get(spec)
        if shown is None:
            shown = display(self.radiograph, spec, shown=self._crop(spec.crop))
            self._shown[spec] = shown
        return shown

    def show(self, radiograph: Radiograph, spec: DisplaySpec) -> Displayed:
        """As `display`; what is known is not worked out again."""
        return self.of(spec) if radiograph is self.radiograph else display(radiograph, spec)

    def prepare(self, specs: Iterable[DisplaySpec]) -> None:
        """Work out what all of these displays begin with, whichever will be asked for."""
        if all(spec.crop != "none" for spec in specs):
            self._field()

    def _crop(self, crop: Crop) -> tuple[int, int, int, int]:
        part = self._crops.get(crop)
        if part is None:
            exposed = None if crop == "none" else self._field()
            part = self._crops[crop] = find_crop(self.radiograph, crop, exposed=exposed)
        return part

    def _field(self) -> ExposedField:
        if self._exposed is None:
            self._exposed = find_field(self.radiograph)
        return self._exposed
