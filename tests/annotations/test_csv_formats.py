"""All formats of tables: which is which, and what no table may do to any of them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lucency.annotations.formats import FORMATS, Format, Head
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

TABLES = tuple(known for known in FORMATS if known.suffixes == (".csv",))
STUDY = "MURA-v1.1/train/XR_HAND/patient00001/study1_positive"

EXAMPLES = {
    "openimages": "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\na,x,/m/1,1,0,1,0,1\n",
    "tensorflow": "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,9,9,c,1,1,2,2\n",
    "retinanet": "imgs/a.png,1,1,2,2,c\nimgs/b.png,,,,,\n",
    "automl": "TRAIN,gs://b/a.png,c,0.1,0.1,,,0.3,0.3,,\n",
    "rsna": "patientId,x,y,width,height,Target\na,1,1,2,2,1\nb,,,,,0\n",
    "vindr-cxr": "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"
    "a,c,0,R1,1,1,2,2\nb,No finding,14,R1,,,,\n",
    "vindr-mammo": "study_id,image_id,finding_categories,xmin,ymin,xmax,ymax,height,width,split\n"
    "s,a,['Mass'],1,1,2,2,9,9,test\ns,b,['No Finding'],,,,,9,9,test\n",
    "nih": "Image Index,Finding Label,Bbox [x,y,w,h]\n1_0.png,c,1,1,2,2\n",
    "grazpedwri": "filestem,patient_id,fracture_visible\na,1,1\n",
    "fracatlas": "image_id,hand,leg,fractured\na.jpg,1,0,0\n",
    "mura": f"{STUDY}/,1\n",
}
FURTHER = {
    "openimages": [
        "ImageID,Source,LabelName,Confidence\na,verification,/m/1,1\n",
        "ImageID,XMin,YMin,XMax,YMax,LabelName\n",
    ],
    "retinanet": [
        "b.jpg,,,,,\n",
        "path;x1;y1;x2;y2;class\n",
        "image,xmin,ymin,xmax,ymax,label\n",
        "image_name,x_min,y_min,x_max,y_max,class_name\n",
    ],
    "automl": [
        "UNASSIGNED,a/b.png,c,.1,.1,.2,.2\n",
        ",gs://b/a.png,c,.1,.1,,,.2,.2,,\n",
        "gs://b/a.png,c,.1,.1,,,.2,.2,,\n",
        "gs://b/a.png\n",
    ],
    "vindr-cxr": [
        "image_id,rad_id,Cardiomegaly,No finding\na,R1,0,1\n",
        "image_id,x_min,y_min,x_max,y_max,class_name\n",
    ],
    "tensorflow": ["filename,xmin,ymin,xmax,ymax,class\n"],
}
NONE = [
    "",
    "\n\n",
    "image_id\na.jpg\n",
    "cow,0\ncat,1\n",
    "/m/0,Cat\n",
    "LabelName,DisplayName\n/m/0,Cat\n",
    "ImageID,Subset,OriginalURL,Rotation\na,train,,0\n",
    "MaskPath,ImageID,LabelName,BoxID,BoxXMin,Confidence\na_m.png,a,/m/0,1,0.2,1\n",
    "patientId,class\na,Normal\n",
    "image_id,dim0,dim1\na,9,9\n",
    "Image Index,Finding Labels,Patient ID,View Position\n1_0.png,Mass,1,PA\n",
    f"{STUDY}/image1.png\n",
    "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
    'region_attributes\na.png,9,{},1,0,"{""name"":""rect""}",{}\n',
    "#filename,file_size,file_attributes,region_count,region_id\na.png,9,{},0,0\n",
    "image,label\na.png,tb\n",
    "0 0.5 0.5 0.1 0.1\n",
    '{"images": [], "annotations": [], "categories": []}',
    "<annotation><filename>a.png</filename></annotation>",
    '"open',
    "\x00\x01DICM",
]


def claimed(text: str) -> list[str]:
    head = Head("/x/table.csv", "table.csv", text)
    return [known.name for known in TABLES if known.reader().detect(head)]


def test_there_is_an_example_of_every_format() -> None:
    assert set(EXAMPLES) == {known.name for known in TABLES}


@pytest.mark.parametrize(
    ("name", "text"),
    [*EXAMPLES.items(), *((name, text) for name, texts in FURTHER.items() for text in texts)],
)
def test_a_table_is_claimed_by_its_own_format_only(name: str, text: str) -> None:
    assert claimed(text) == [name]
    assert claimed("\ufeff" + text.replace("\n", "\r\n")) == [name]


@pytest.mark.parametrize(
    "name",
    ["openimages", "tensorflow", "rsna", "vindr-cxr", "vindr-mammo", "grazpedwri", "fracatlas"],
)
def test_the_case_of_titles_and_the_order_of_columns_do_not_matter(name: str) -> None:
    rows = [line.split(",") for line in EXAMPLES[name].splitlines()]
    turned = "\n".join(",".join(f'"{cell}"' for cell in reversed(row)) for row in rows)
    assert claimed(turned.upper() + "\n") == [name]


@pytest.mark.parametrize("text", NONE)
def test_other_documents_are_claimed_by_none(text: str) -> None:
    assert claimed(text) == []


def read_all(known: Format, path: Path) -> int:
    """Read a table and return how many boxes were accounted for."""
    ledger = Ledger()
    for annotation in known.reader().read(Source(path), ledger):
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return ledger.totals()["in"]


HOSTILE = st.sampled_from(
    ["", "nan", "-inf", "1e400", "9" * 5000, "\x00", "\ud7ff", "\u2028", "\x85", '"', '""', ",",
     ";", "\n", "\r", "\t", "../../etc/passwd", "gs://", "[" * 500, "-1", "0", "1_0", "\ufeff", " ",
     "x" * 140_000, "TRAIN", "No finding", "['No Finding']", "\u0661", "\x1a"]
)  # fmt: skip


@pytest.mark.parametrize("known", TABLES, ids=lambda known: known.name)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), HOSTILE, st.booleans()), min_size=1, max_size=4),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"]),
)
def test_no_table_raises_anything_but_an_annotation_error(
    known: Format, edits: list[tuple[float, str, bool]], encoding: str, tmp_path: Path
) -> None:
    text = EXAMPLES[known.name] * 2
    for share, hostile, overwrite in edits:
        place = int(share * len(text))
        text = text[:place] + hostile + text[place + overwrite :]
    (tmp_path / "train_image_paths.csv").write_text(f"{STUDY}/image1.png\n")
    path = tmp_path / "train_labeled_studies.csv"
    path.write_bytes(text.encode(encoding, errors="replace"))
    known.reader().detect(Head(str(path), path.name, text))
    try:
        boxes = read_all(known, path)
    except AnnotationError as error:
        assert "\n" not in str(error) and path.name in str(error)
    else:
        assert boxes <= len(text)


@pytest.mark.parametrize("known", TABLES, ids=lambda known: known.name)
def test_random_bytes_are_refused(known: Format, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(AnnotationError, match=r"^labels\.csv: "):
        read_all(known, path)
