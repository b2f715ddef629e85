"""CVAT's XML as it stands: the images of a task, job or project, and the shapes of each."""

from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from lucency.annotations import documents, xml_documents
from lucency.annotations.documents import shown
from lucency.annotations.xml_documents import line, text_of
from lucency.configs.errors import AnnotationError

# What stands beside the shapes of an image or a track.
_NO_SHAPES = frozenset({"attribute", "tag"})


@dataclass(frozen=True, slots=True)
class Task:
    """What the document says of a task or job."""

    completed: bool = False
    reader: str = ""
    split: str = ""
    frame_size_wh: tuple[int, int] | None = None


@dataclass(slots=True)
class Mark:
    """A shape, its label, and its position in the document."""

    shape: Element
    label: str
    index: str


@dataclass(slots=True)
class Image:
    """An image of a task, or a frame of its video, with all its shapes."""

    name: str
    task: Task
    size_wh: tuple[int, int] | None
    split: str
    labels: dict[str, bool] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)


def images_in(root: Element, *, where: str) -> tuple[list[Image], list[Mark]]:
    """All images and frames of a document, and the shapes whose frame it does not tell.

    ``where`` is the document's name.

    Raises
    ------
    AnnotationError
        An image has no name, or a size that cannot be.

    """
    tasks = _tasks(root, where=where)
    images: list[Image] = []
    frames: dict[tuple[str, int | None], Image] = {}  # by task and number
    for position, element in enumerate(root.iterfind("image")):
        image = _image(element, position, tasks, where=where)
        images.append(image)
        frames[element.get("task_id", ""), _frame(element.get("id"))] = image
    further, homeless = _add_tracks(root, frames, tasks)
    return images + further, homeless


def _tasks(root: Element, *, where: str) -> dict[str, Task]:
    """The tasks of a project by id; under the empty id what holds for all others."""
    tasks = {"": Task()}
    # CVAT writes the size of a video's frames beside the task or job, or inside it.
    of_all = root.find("meta/original_size")
    for kind in ("project", "task", "job"):
        element = root.find(f"meta/{kind}")
        if element is None:
            continue
        size = element.find("original_size") if of_all is None else of_all
        tasks[""] = _task(element, size, where=f"{where}: meta.{kind}")
        for inner in element.iterfind("tasks/task"):
            size = inner.find("original_size")
            tasks[text_of(inner, "id")] = _task(inner, size, where=f"{where}: meta.{kind}.task")
    return tasks


def _task(element: Element, size: Element | None, *, where: str) -> Task:
    states = {text_of(element, tag).lower() for tag in ("state", "status")}
    width, height = (
        size.findtext(side) if size is not None else None for side in ("width", "height")
    )
    return Task(
        completed="completed" in states or text_of(element, "stage").lower() == "acceptance",
        # A project's assignee leads it; whoever marks its images is that of the task.
        reader="" if element.tag == "project" else text_of(element, "assignee/username"),
        split=documents.split_named([text_of(element, "subset")]),
        frame_size_wh=xml_documents.size_wh(width, height, where=f"{where}.original_size"),
    )


def _image(element: Element, position: int, tasks: dict[str, Task], *, where: str) -> Image:
    where = f"{where}: image[{position}]"
    name = line(element.get("name")).replace("\\", "/")
    frame = _frame(element.get("id"))
    if not name and not element.get("name") and frame is not None:
        name = _frame_name(frame)
    if not name:
        raise AnnotationError(
            f"{where}.name: must be a file name, got {shown(element.get('name'))}"
        )
    task = tasks.get(element.get("task_id", ""), tasks[""])
    size = xml_documents.size_wh(element.get("width"), element.get("height"), where=where)
    image = Image(
        name=name,
        task=task,
        size_wh=size,
        split=documents.split_named([element.get("subset", "")]) or task.split,
    )
    counts: dict[str, int] = {}
    for child in element:
        tag, label = child.tag, line(child.get("label"))
        if tag == "tag" and label:
            image.labels[label] = True
        if tag not in _NO_SHAPES:
            number_of_tag = counts[tag] = counts.get(tag, -1) + 1
            index = f"image[{position}].{tag:.60}[{number_of_tag}]"
            image.marks.append(Mark(child, label, index))
    return image


def _add_tracks(
    root: Element, frames: dict[tuple[str, int | None], Image], tasks: dict[str, Task]
) -> tuple[list[Image], list[Mark]]:
    """Add the visible shapes of all tracks to their frames.

    Returns further frames, in their order, and the shapes that have none.
    """
    homeless = []
    further: dict[tuple[str, int], Image] = {}
    for position, track in enumerate(root.iterfind("track")):
        task_id, label = track.get("task_id", ""), line(track.get("label"))
        task = tasks.get(task_id, tasks[""])
        split = documents.split_named([track.get("subset", "")]) or task.split
        for place, shape in enumerate(track):
            if shape.tag in _NO_SHAPES or shape.get("outside") == "1":
                continue
            mark = Mark(shape, label, f"track[{position}].{shape.tag:.60}[{place}]")
            frame = _frame(shape.get("frame"))
            if frame is None:
                homeless.append(mark)
                continue
            image = frames.get((task_id, frame))
            if image is None:
                image = Image(_frame_name(frame), task, task.frame_size_wh, split)
                frames[task_id, frame] = further[task_id, frame] = image
            image.marks.append(mark)
    return [further[key] for key in sorted(further)], homeless


def _frame(text: str | None) -> int | None:
    """The number of a frame, or None if the text is none."""
    text = (text or "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _frame_name(frame: int) -> str:
    return f"frame_{frame:06d}"
