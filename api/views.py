"""One radiograph as its models see it: each way of displaying it is worked out once."""

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import Displayed, display
from lucency.datasets.radiographs import Radiograph


class Views:
    """The displayed images of one radiograph, which models of equal `DisplaySpec` share."""

    def __init__(self, radiograph: Radiograph) -> None:
        self.radiograph = radiograph
        self._shown: dict[DisplaySpec, Displayed] = {}

    def of(self, spec: DisplaySpec) -> Displayed:
        """As `display`; raises `ImageError` where it does."""
        shown = self._shown.get(spec)
        if shown is None:
            shown = self._shown[spec] = display(self.radiograph, spec)
        return shown

    def show(self, radiograph: Radiograph, spec: DisplaySpec) -> Displayed:
        """As `display`; what is known is not worked out again."""
        return self.of(spec) if radiograph is self.radiograph else display(radiograph, spec)
