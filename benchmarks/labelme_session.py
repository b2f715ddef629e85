"""One session in labelme's window: what `labelme_session.sh` does to five images, and the check.

Runs inside labelme's environment, or with ``--check`` in any. Written for labelme 6.3.1, whose
parts it takes hold of by their private names; mouse and keyboard do the rest.
"""

import json
import sys
from pathlib import Path

# What is done to the images in the order in which labelme shows them.
KEPT, MOVED, ADDED, DELETED, NEGATIVE = range(1, 6)
MOVED_BY_PX = 12


def session(folder: Path, pictures: Path) -> None:
    from labelme.app import MainWindow
    from PyQt5 import QtCore, QtGui, QtWidgets
    from PyQt5.QtTest import QTest

    pictures.mkdir()
    app = QtWidgets.QApplication(sys.argv[:1])
    labels = (folder / "labels.txt").read_text().split()
    window = MainWindow(
        config_overrides={"labels": labels, "validate_label": "exact"},
        file_or_dir=str(folder.resolve()),
    )
    window.resize(1400, 900)
    window.show()
    QTest.qWaitForWindowExposed(window)
    canvas = window._canvas_widgets.canvas
    left, none = QtCore.Qt.LeftButton, QtCore.Qt.NoModifier

    def at(x: float, y: float) -> QtCore.QPoint:
        """Where a point of the image lies on the canvas."""
        origin = canvas._compute_image_origin_offset()
        return QtCore.QPoint(
            round((x + origin.x()) * canvas.scale), round((y + origin.y()) * canvas.scale)
        )

    def take(name: str) -> None:
        QTest.qWait(300)
        window.grab().save(str(pictures / f"{name}.png"))

    def tick() -> None:
        """Click the checkbox of the flag."""
        flags = window._docks.flag_list
        item = flags.item(0)
        assert item.text() == "reviewed", item.text()
        box = flags.visualItemRect(item)
        QTest.mouseClick(flags.viewport(), left, none, QtCore.QPoint(10, box.center().y()))
        assert item.checkState() == QtCore.Qt.Checked

    def next_image() -> None:
        window._actions.open_next_img.trigger()
        QTest.qWait(200)

    def inside() -> tuple[float, float]:
        """The centre of the first box."""
        one, other = canvas.shapes[0].points[:2]
        return (one.x() + other.x()) / 2, (one.y() + other.y()) / 2

    def answer(dialog: type, press: object) -> None:
        """Press a key in the modal dialog that is about to open."""

        def act() -> None:
            found = app.activeModalWidget()
            assert isinstance(found, dialog), found
            found.grab().save(str(pictures / f"dialog-{dialog.__name__}.png"))
            press(found)

        QtCore.QTimer.singleShot(400, act)

    take("1-prelabelled")
    assert len(canvas.shapes) > 0
    tick()
    take("1-ticked")

    next_image()
    x, y = inside()
    QTest.mouseMove(canvas, at(x, y))
    QTest.mousePress(canvas, left, none, at(x, y))
    for step in range(1, 5):
        moved = at(x + MOVED_BY_PX * step / 4, y)
        dragged = QtGui.QMouseEvent(
            QtCore.QEvent.MouseMove, QtCore.QPointF(moved), QtCore.Qt.NoButton, left, none
        )
        app.sendEvent(canvas, dragged)  # QTest moves the mouse without its buttons
        QTest.qWait(50)
    QTest.mouseRelease(canvas, left, none, moved)
    take("2-moved")

    next_image()
    create = dict(window._actions.draw)["rectangle"]
    create.trigger()

    def type_label(dialog: QtWidgets.QDialog) -> None:
        dialog.edit.setText("")
        QTest.keyClicks(dialog.edit, labels[0])
        QTest.keyClick(dialog.edit, QtCore.Qt.Key_Return)

    answer(type(window._label_dialog), type_label)
    QTest.mouseMove(canvas, at(20, 20))
    QTest.mouseClick(canvas, left, none, at(20, 20))
    QTest.mouseMove(canvas, at(90, 140))
    QTest.qWait(100)
    QTest.mouseClick(canvas, left, none, at(90, 140))
    window._actions.edit_mode.trigger()
    tick()
    take("3-added")

    next_image()
    QTest.mouseMove(canvas, at(*inside()))
    QTest.mouseClick(canvas, left, none, at(*inside()))
    answer(QtWidgets.QMessageBox, lambda box: QTest.keyClick(box, QtCore.Qt.Key_Return))
    window._actions.delete.trigger()
    tick()
    take("4-deleted")

    next_image()
    assert not canvas.shapes
    tick()
    take("5-negative")

    next_image()  # looked at, and left as it is
    take("6-not-reviewed")
    window.close()


def check(folder: Path, dataset: Path) -> None:
    """Compare what was collected with what was done."""

    def document(number: int) -> dict:
        return json.loads((folder / f"img-{number:04}.json").read_text())

    found = json.loads((dataset / "collect.json").read_text())
    proposed = {n: document(n)["lucency"]["proposed"] for n in range(1, 6)}
    assert not proposed[NEGATIVE]
    row = found["corrections"]["labels"]["fractured"]
    expected = {
        "proposed": sum(map(len, proposed.values())),
        "kept": len(proposed[KEPT]) + len(proposed[MOVED]) - 1 + len(proposed[ADDED])
        + len(proposed[DELETED]) - 1,
        "moved": 1,
        "deleted": 1,
        "added": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected, (row, expected)
    assert found["reviewed"] == 5
    assert found["reviewed_without_tick"] == [f"img-{MOVED:04}.json"]
    assert all("score" in shape for shape in document(KEPT)["shapes"])
    assert document(MOVED)["flags"] == {"reviewed": False}
    rows = (dataset / "dataset.csv").read_text().splitlines()
    statuses = [row.split(",")[3] for row in rows[1:]]
    assert statuses.count("unknown") == found["not_reviewed"], statuses
    assert "negative" in next(row for row in rows if f"img-{NEGATIVE:04}.png" in row)
    print(f"as it should be: {row}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[0] == "--check":
        check(*map(Path, arguments[1:]))
    else:
        session(*map(Path, arguments))
