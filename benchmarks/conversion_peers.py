"""One conversion into YOLO label files by one tool, in a process of its own.

    python benchmarks/conversion_peers.py TOOL FORMAT SOURCE IMAGES OUT

Run by ``conversion.py`` with the interpreter where the tool is installed, so nothing but the
standard library is imported above. Each peer is used as its documentation shows it, without
progress bars, and without writing images where it can do without. The last line that is printed
tells the seconds after the imports.
"""

# A Path for each file would slow down the bare prototype.
# ruff: noqa: PTH103, PTH123, PTH208

import json
import os
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

# A conversion does its imports, then hands back what is to be timed.
Work = Callable[[], object]


def bare(form: str, source: Path, images: Path, out: Path) -> Work:
    """The least that a conversion must do in Python: no checks, no ledger, no class names."""
    return {"coco": _bare_coco, "voc": _bare_voc, "labelme": _bare_labelme}[form](source, out)


def lucency(form: str, source: Path, images: Path, out: Path) -> Work:
    from lucency.annotations.convert import Options, convert

    return lambda: convert(source, out, Options(labels_only=True))


def lucency_images(form: str, source: Path, images: Path, out: Path) -> Work:
    from lucency.annotations.convert import Options, convert

    return lambda: convert(source, out, Options(images=images))


def labelformat(form: str, source: Path, images: Path, out: Path) -> Work:
    from labelformat.formats import (
        COCOObjectDetectionInput,
        PascalVOCObjectDetectionInput,
        YOLOv8ObjectDetectionOutput,
    )

    def work() -> None:
        if form == "coco":
            labels = COCOObjectDetectionInput(input_file=source)
        else:
            names = images.with_name("classes.txt").read_text().split()
            labels = PascalVOCObjectDetectionInput(source, category_names=",".join(names))
        output = YOLOv8ObjectDetectionOutput(output_file=out / "data.yaml", output_split="train")
        output.save(label_input=labels)

    return work


def globox(form: str, source: Path, images: Path, out: Path) -> Work:
    from globox import AnnotationSet

    read = {
        "coco": AnnotationSet.from_coco,
        "voc": AnnotationSet.from_pascal_voc,
        "labelme": AnnotationSet.from_labelme,
    }[form]

    def work() -> None:
        annotations = read(source)
        labels = sorted(annotations._labels())
        ids = {label: number for number, label in enumerate(labels)}
        annotations.save_yolo_v5(out, label_to_id=ids)

    return work


def datumaro(form: str, source: Path, images: Path, out: Path) -> Work:
    from datumaro import Dataset

    path, name = (source, "coco_instances") if form == "coco" else (source.parent, "voc_detection")
    return lambda: Dataset.import_from(str(path), name).export(str(out), "yolo", save_media=False)


def supervision(form: str, source: Path, images: Path, out: Path) -> Work:
    from supervision import DetectionDataset

    def work() -> None:
        if form == "coco":
            dataset = DetectionDataset.from_coco(str(images), str(source))
        elif form == "voc":
            dataset = DetectionDataset.from_pascal_voc(str(images), str(source))
        else:
            dataset = DetectionDataset.from_labelme(str(images), str(source))
        dataset.as_yolo(
            annotations_directory_path=str(out / "labels"),
            data_yaml_path=str(out / "data.yaml"),
        )

    return work


def ultralytics(form: str, source: Path, images: Path, out: Path) -> Work:
    from ultralytics.data.converter import convert_coco

    return lambda: convert_coco(str(source.parent), str(out), cls91to80=False)


def _bare_coco(source: Path, out: Path) -> Work:
    def work() -> None:
        with open(source, encoding="utf-8") as file:
            document = json.load(file)
        numbers = {entry["id"]: number for number, entry in enumerate(document["categories"])}
        by_image: dict[int, list] = {}
        for annotation in document["annotations"]:
            by_image.setdefault(annotation["image_id"], []).append(annotation)
        os.makedirs(out)
        for image in document["images"]:
            width, height = image["width"], image["height"]
            lines = []
            for annotation in by_image.get(image["id"], ()):
                x, y, w, h = annotation["bbox"]
                number = numbers[annotation["category_id"]]
                lines.append(_line(number, x, y, x + w, y + h, width, height))
            _write(f"{out}/{image['file_name'][:-4]}.txt", lines)

    return work


def _bare_voc(source: Path, out: Path) -> Work:
    def work() -> None:
        numbers: dict[str, int] = {}
        os.makedirs(out)
        for name in sorted(os.listdir(source)):
            root = ET.parse(f"{source}/{name}").getroot()
            width, height = int(root.find("size/width").text), int(root.find("size/height").text)
            lines = []
            for thing in root.iter("object"):
                box = thing.find("bndbox")
                corners = [float(box.find(k).text) for k in ("xmin", "ymin", "xmax", "ymax")]
                number = numbers.setdefault(thing.find("name").text, len(numbers))
                lines.append(_line(number, *corners, width, height))
            _write(f"{out}/{name[:-4]}.txt", lines)

    return work


def _bare_labelme(source: Path, out: Path) -> Work:
    def work() -> None:
        numbers: dict[str, int] = {}
        os.makedirs(out)
        for name in sorted(os.listdir(source)):
            with open(f"{source}/{name}", encoding="utf-8") as file:
                document = json.load(file)
            width, height = document["imageWidth"], document["imageHeight"]
            lines = []
            for shape in document["shapes"]:
                (x1, y1), (x2, y2) = shape["points"]
                number = numbers.setdefault(shape["label"], len(numbers))
                lines.append(_line(number, x1, y1, x2, y2, width, height))
            _write(f"{out}/{name[:-5]}.txt", lines)

    return work


def _line(number: int, x1: float, y1: float, x2: float, y2: float, width: int, height: int) -> str:
    x, y = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
    return f"{number} {x:.8f} {y:.8f} {(x2 - x1) / width:.8f} {(y2 - y1) / height:.8f}\n"


def _write(path: str, lines: list[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(lines))


TOOLS = {
    tool.__name__: tool
    for tool in (
        *(bare, lucency, lucency_images),
        *(labelformat, globox, datumaro, supervision, ultralytics),
    )
}


def main() -> None:
    """Convert and tell the time."""
    tool, form, *paths = sys.argv[1:]
    work = TOOLS[tool](form, *(Path(path) for path in paths))
    begin = time.perf_counter()
    work()
    print(f"\nconverted in {time.perf_counter() - begin:.3f} s")


if __name__ == "__main__":
    main()
