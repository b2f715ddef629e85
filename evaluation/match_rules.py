"""When a prediction has found a finding: the rules that detection studies use."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class MatchRule:
    """One rule; ``iou`` is the least overlap, or None where the centre decides.

    With ``iou`` None a prediction finds a finding of its class if the prediction's centre lies in
    the finding's box (as in the LUNA16 and many mammography studies).
    """

    name: str
    iou: float | None
    sentence: str


_BEST_FIRST = "best score first, one box a finding"
IOU_50 = MatchRule("iou50", 0.5, f"same class, IoU ≥ 0.5, {_BEST_FIRST}")
IOU_30 = MatchRule("iou30", 0.3, f"same class, IoU ≥ 0.3, {_BEST_FIRST}")
IOU_10 = MatchRule("iou10", 0.1, f"same class, IoU ≥ 0.1, {_BEST_FIRST}")
CENTRE = MatchRule("centre", None, f"same class, box centre in the finding, {_BEST_FIRST}")
MATCH_RULES: Mapping[str, MatchRule] = MappingProxyType(
    {rule.name: rule for rule in (IOU_50, IOU_30, IOU_10, CENTRE)}
)
