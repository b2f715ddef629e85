"""Which part of the body a DICOM file says it shows: chest, bones, or something else.

Body Part Examined is free text with defined terms (PS3.16 Annex L, Table L-1), of which those that
radiographs have stand here, with a few that devices write in their place, such as THORAX. Terms
that leave it open, such as WHOLEBODY or NECKCHESTABDOMEN, are missing on purpose, and so are those
of a rib, which lies in a picture of the chest.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

_CHEST = "CHEST LUNG LUNGS THORAX BRONCHUS MEDIASTINUM HEART TRACHEA"
_BONES = (
    "ACJOINT ANKLE ARM CALCANEUS CALF CLAVICLE COCCYX CSPINE CTSPINE ELBOW EXTREMITY FEMUR FINGER "
    "FINGERS FOOT FOREARM HAND HANDS HIP HUMERUS ILIUM JAW KNEE KNEES LEG LOWERLEG LSPINE LSSPINE "
    "MANDIBLE MAXILLA PATELLA PELVIS RADIUS SCAPULA SCJOINT SHOULDER SIJOINT SKULL SPINE SSPINE "
    "STERNUM THIGH THUMB TIBIA TLSPINE TMJ TOE TOES TSPINE ULNA UPPERARM WRIST ZYGOMA"
)
_ELSEWHERE = (
    "ABDOMEN ABDOMENPELVIS BLADDER BRAIN BREAST COLON ESOPHAGUS EYE GALLBLADDER KIDNEY LIVER "
    "PANCREAS PROSTATE SPLEEN STOMACH TEETH TOOTH UTERUS"
)
# chest, bone or other, by term.
REGIONS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_CHEST.split(), "chest"),
        **dict.fromkeys(_BONES.split(), "bone"),
        **dict.fromkeys(_ELSEWHERE.split(), "other"),
    }
)


def region_terms(text: str) -> str:
    """The terms of `REGIONS` in a text, once each; nothing else that stands there.

    Protocol names and descriptions are free text, in which a name may stand.
    """
    found = [word for word in re.findall(r"[A-Z]+", text.upper()) if word in REGIONS]
    return " ".join(dict.fromkeys(found))


def region_of(text: str) -> str | None:
    """chest, bone or other; None where no term is known, or terms of several of them."""
    found = {REGIONS[term] for term in region_terms(text).split()}
    return found.pop() if len(found) == 1 else None
