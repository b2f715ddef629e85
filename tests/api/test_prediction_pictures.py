import base64
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lucency.api.pipeline import Analysis
from lucency.api.prediction_names import ImageFile
from lucency.api.prediction_outcomes import Outcome, Picture
from lucency.api.prediction_pictures import class_colours, draw_pictures, pictures_folder
from lucency.api.schemas import HeatMap, Report
from lucency.datasets.radiographs import Radiograph, decode_radiograph

MakeReport = Callable[..., Report]
COLOURS = class_colours(("fracture", "lesion"))
BOX = (40, 20, 160, 80)


@pytest.fixture
def radiograph(png: Callable[..., bytes]) -> Radiograph:
    return decode_radiograph(png(200, 100), name="a.png")


def pixels(picture: Picture) -> NDArray[np.int64]:
    with Image.open(io.BytesIO(picture.jpeg)) as image:
        return np.asarray(image.convert("RGB")).astype(np.int64)


def painted(picture: Picture, label: str) -> int:
    """How many pixels have the colour of a class, but for what JPEG changes."""
    return int((np.abs(pixels(picture) - np.array(COLOURS[label])).max(axis=2) < 25).sum())


def test_each_class_has_its_colour(radiograph: Radiograph, make_report: MakeReport) -> None:
    one, two = (make_report((*BOX, label, 0.9)) for label in ("fracture", "lesion"))
    (first,), (second,) = (
        tuple(draw_pictures(Analysis(radiograph, report), colours=COLOURS)) for report in (one, two)
    )
    assert painted(first, "fracture") > 1000
    assert painted(first, "lesion") == 0
    assert painted(second, "lesion") > 1000
    assert painted(second, "fracture") == 0


def test_doubtful_boxes_are_dotted(radiograph: Radiograph, make_report: MakeReport) -> None:
    drawn = [
        next(
            draw_pictures(
                Analysis(radiograph, make_report((*BOX, "lesion", score))), colours=COLOURS
            )
        )
        for score in (0.9, 0.3)
    ]
    sides = [pixels(each)[80:240, 120:140] for each in drawn]  # the left side, below the label
    rows = [
        (np.abs(side - np.array(COLOURS["lesion"])).max(axis=2) < 25).any(axis=1).mean()
        for side in sides
    ]
    assert rows[0] > 0.95
    assert 0.3 < rows[1] < 0.8


def test_an_image_without_findings_is_drawn_as_it_is(
    radiograph: Radiograph, make_report: MakeReport
) -> None:
    (picture,) = draw_pictures(Analysis(radiograph, make_report()), colours=COLOURS)
    found = pixels(picture)
    assert found.shape == (320, 640, 3)
    assert np.ptp(found, axis=2).max() <= 3


def test_what_classifiers_say_stands_above_the_image(
    radiograph: Radiograph, make_report: MakeReport
) -> None:
    report = make_report(tb=0.5, detector=False)
    (picture,) = draw_pictures(Analysis(radiograph, report), colours=COLOURS)
    found = pixels(picture)
    strip = found[: len(found) - 320]
    assert found.shape[1] == 640
    assert len(strip) > 10
    assert np.ptp(strip) > 150  # letters on paper


def test_heat_lies_where_the_map_is_hot(radiograph: Radiograph, make_report: MakeReport) -> None:
    levels = np.zeros((4, 4), np.uint8)
    levels[:, 3] = 255
    done, data = cv2.imencode(".png", levels)
    assert done
    heat = HeatMap(
        model="net", label="tb", png=base64.b64encode(data.tobytes()).decode(), any_heat=True
    )
    report = make_report(tb=0.75, heatmaps=(heat,))
    boxes, warm = draw_pictures(Analysis(radiograph, report), colours=COLOURS)
    assert (boxes.suffix, warm.suffix) == ("", "-heat-net-tb")
    found = pixels(warm)
    assert found.shape[1] == 640
    assert found.shape[0] > 320, "no title"
    body = found[-320:]
    colourful = np.ptp(body, axis=2)
    assert colourful[:, 600:].mean() > 40
    assert colourful[:, :300].mean() < 3


def test_names_of_models_make_names_of_files(
    radiograph: Radiograph, make_report: MakeReport
) -> None:
    done, data = cv2.imencode(".png", np.zeros((2, 2), np.uint8))
    assert done
    png = base64.b64encode(data.tobytes()).decode()
    heat = HeatMap(model="net", label="tb", png=png, any_heat=False)
    odd = heat.model_copy(update={"label": "a/b: c"})
    report = make_report(tb=0.2)
    answer = report.classifications[0]
    told = {
        name: {**getattr(answer, name), "a/b: c": value}
        for name, value in (("probabilities", 0.1), ("thresholds", 0.5), ("verdicts", False))
    }
    report = report.model_copy(
        update={"heatmaps": (odd,), "classifications": (answer.model_copy(update=told),)}
    )
    _, cold = draw_pictures(Analysis(radiograph, report), colours=COLOURS)
    assert cold.suffix == "-heat-net-a_b_c"


def test_pictures_lie_in_the_images_own_tree(tmp_path: Path) -> None:
    image = ImageFile(Path("/images/sub/a.png"), "sub/a.png", "sub/a")
    with pictures_folder(tmp_path / "out") as add:
        add(Outcome(image, pictures=(Picture("", b"1"), Picture("-heat", b"2"))))
        add(Outcome(image, error="broken"))
        assert not (tmp_path / "out").exists()
    written = {path.name: path.read_bytes() for path in (tmp_path / "out" / "sub").iterdir()}
    assert written == {"a.jpg": b"1", "a-heat.jpg": b"2"}


def test_colours_begin_again_after_the_last() -> None:
    names = tuple(str(number) for number in range(20))
    colours = class_colours(names)
    assert len(set(colours.values())) == 8
    assert colours["0"] == colours["8"]
