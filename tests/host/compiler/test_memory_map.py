"""The picture of the memory plan: every buffer in it and labelled, no label upon another, the same bytes each time."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import pytest

import engine_models
from tflite_models import ModelBuilder
from tinyscene.compiler import memory_map, pipeline as compiler
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.pipeline import plan_model


def deep_network() -> bytes:
    """Thirty layers of every kind of buffer."""
    net = ModelBuilder(1)
    x = net.conv(net.input((1, 48, 40, 3)), 8, (3, 3), stride=(2, 2), activation="RELU")
    for stage in range(9):
        y = net.conv(x, 0, (3, 3), depthwise=1, activation="RELU6")
        y = net.conv(y, 8, (1, 1))
        x = net.combine("ADD", x, y)
        if stage in (2, 5):
            x = net.pool(x, "MAX_POOL_2D", (2, 2), (2, 2))
    return net.finish(net.dense(net.reshape(x, (1, 6 * 5 * 8)), 4))


MODELS = {
    **{name: engine_models.generate(name, 1) for name in ("branches", "residual", "dense", "broadcast")},
    "deep": deep_network(),
}

LABEL = re.compile(r"op \d+(, \d+)*")


def labels_of(compiled: CompiledModel) -> list[str]:
    """The operators whose results lie in the arena; those that share a place together."""
    roots = compiled.planned.roots
    makers = {roots[call.output]: call.op.index for call in compiled.calls}
    places = [buffer.tensors for buffer in compiled.memory.buffers if buffer.first <= buffer.last and buffer.tensors]
    return [f"op {', '.join(str(index) for index in sorted(makers[tensor] for tensor in place))}" for place in places]


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_is_in_the_picture_once(name: str, tmp_path: Path) -> None:
    compiled = plan_model(MODELS[name])
    memory_map.write(compiled, tmp_path / "a.svg")
    memory_map.write(compiled, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ET.parse(tmp_path / "a.svg").getroot()
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    labels = [found[0] for text in texts if (found := LABEL.match(text))]
    assert sorted(labels) == sorted(labels_of(compiled))
    assert f"arena {compiled.memory.arena_bytes:,} bytes" in texts


@pytest.mark.parametrize("name", MODELS)
def test_labels_do_not_overlap(name: str) -> None:
    figure = memory_map.draw(plan_model(MODELS[name]))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    texts = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    boxes = [(text.get_text(), text.get_window_extent()) for text in (*texts, *figure.legends[0].get_texts())]
    for (one, first), (other, second) in combinations(boxes, 2):
        assert not first.overlaps(second), (one, other)
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text


@pytest.mark.parametrize("name", MODELS)
def test_labels_lie_in_one_rectangle_or_in_none(name: str) -> None:
    figure = memory_map.draw(plan_model(MODELS[name]))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches]
    for text in axes.texts:
        place = text.get_window_extent()
        touched = [box for box in boxes if box.overlaps(place)]
        around = [box for box in touched if all(box.contains(*corner) for corner in place.corners())]
        assert touched == around, text.get_text()
        assert len(touched) <= 1, text.get_text()


def test_kinds_are_told_apart_by_colour() -> None:
    compiled = plan_model(MODELS["deep"])
    figure = memory_map.draw(compiled)
    shown = [patch.get_facecolor() for patch in figure.axes[0].patches]
    buffers = [buffer for buffer in compiled.memory.buffers if buffer.first <= buffer.last]
    rings = sum(len(launch.rings.places) for launch in compiled.launches)
    scratch = len(compiled.memory.scratch)
    assert 0 < rings < sum(len(launch.rings.rows) for launch in compiled.launches)
    assert sorted(map(shown.count, set(shown))) == sorted((rings, scratch, len(buffers) - rings - scratch))


def test_command_writes_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "model.tflite").write_bytes(MODELS["residual"])
    compiler.report(tmp_path / "model.tflite", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["memory.svg", "model.c", "model.h"]
    assert "memory.svg" in capsys.readouterr().out
