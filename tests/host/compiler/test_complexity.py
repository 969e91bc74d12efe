"""Counts that the literature gives, and the challenge's limits."""

import json
from pathlib import Path

import pytest

from tflite_models import ModelBuilder, pack, schema, unpack
from tinyscene.compiler import complexity
from tinyscene.errors import ModelError
from tinyscene.paths import REPOSITORY


@pytest.mark.parametrize(
    ("name", "keras", "nessi_parameters", "nessi_macs"),
    [("student", 57_856, 57_660, 26_116_388), ("baseline", 46_246, 46_520, 29_238_120)],
)
def test_networks_count_as_published(name: str, keras: int, nessi_parameters: int, nessi_macs: int) -> None:
    counts = complexity.measure(name)
    assert counts.keras_parameters == keras
    assert (counts.nessi_parameters, counts.nessi_macs) == (nessi_parameters, nessi_macs)
    assert counts.parameters < counts.nessi_parameters
    assert counts.macs < counts.nessi_macs
    assert counts.parameters == sum(layer.parameters for layer in counts.layers)
    assert counts.within_limits


def test_true_counts_of_the_student(random_networks: dict[str, bytes]) -> None:
    counts = complexity.measure(random_networks["student"])
    convolutions = 32 * 30 + 6 * 32 * 32 * 9 + 10 * 32
    assert counts.parameters == convolutions + 7 * 32 + 10 + 10 * 10 + 10
    maps = 80 * 51 * 32 * 30 + 2 * 40 * 25 * 32 * 288 + 4 * 8 * 12 * 32 * 288 + 8 * 12 * 10 * 32
    assert counts.macs == maps + 100
    assert counts.keras_parameters is None


def test_teacher_is_counted_by_keras_and_beyond_the_limits(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert complexity.report("teacher", tmp_path / "teacher.json") == 1
    assert "3,980,960 parameters are 3,852,960 above the limit of 128,000" in capsys.readouterr().out
    written = json.loads((tmp_path / "teacher.json").read_text())
    assert written["keras_parameters"] == 3_980_960
    assert written["within_limits"] is False


def test_the_transformer_is_within_the_parameters_but_not_the_macs() -> None:
    counts = complexity.measure("transformer")
    patches = 20 * 17
    attention = patches * 4 * (32 * 4 * 32) + 2 * 4 * patches**2 * 32
    layer = attention + patches * 2 * 32 * 64
    assert counts.macs == patches * 12 * 32 + 4 * layer + 32 * 40 + 40 * 20 + 20 * 10
    assert counts.excess == (f"{counts.macs:,} MACs are {counts.macs - 30_000_000:,} above the limit of 30,000,000",)


def test_json_of_a_file(tmp_path: Path) -> None:
    net = ModelBuilder(1)
    model = tmp_path / "model.tflite"
    model.write_bytes(net.finish(net.mean(net.conv(net.input((1, 5, 4, 3)), 6, (3, 2)), (1, 2), keep=False)))
    assert complexity.report(str(model), tmp_path / "counts.json") == 0
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert list(counts) == ["parameters", "macs", "nessi_parameters", "nessi_macs", "within_limits", "layers"]
    assert (counts["parameters"], counts["macs"]) == (6 * 18 + 6, 20 * 6 * 18)
    assert (counts["nessi_parameters"], counts["nessi_macs"]) == (6 * 18 + 24 + 8, 20 * 6 * 18 + 120)
    assert [layer["kind"] for layer in counts["layers"]] == ["CONV_2D", "MEAN"]


def test_nessi_counts_a_dense_layer_by_its_last_dimension_once_for_each_row() -> None:
    net = ModelBuilder(1)
    rows = complexity.measure(net.finish(net.dense(net.input((4, 8)), 5)))
    assert (rows.macs, rows.nessi_macs) == (4 * 8 * 5, 4 * 8 * 5)


def test_nessi_counts_a_constant_for_each_operator_that_reads_it(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    net = ModelBuilder(1)
    source = net.input((1, 5, 4, 3))
    shape = net.constant((1, 4, 5, 3), "INT32")
    first = net.op("RESHAPE", [source.index, shape], net.activation((1, 4, 5, 3), source.scale, source.zero_point))
    second = net.op("RESHAPE", [first.index, shape], net.activation((1, 4, 5, 3), source.scale, source.zero_point))
    path = tmp_path / "twice.tflite"
    path.write_bytes(net.finish(net.conv(second, 6, (3, 2))))
    assert complexity.report(str(path), None) == 0
    counts = complexity.measure(path)
    assert counts.nessi_parameters == 6 * 18 + 24 + 2 * 16
    assert counts.parameters == 6 * 18 + 6, "weights are ours once, however often they are read"
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    column = [int(row[-2].replace(",", "")) for row in rows if row and row[0].isdecimal()]
    (line,) = (row for row in rows if row[:3] == ["as", "NeSsi", "counts"])
    assert sum(column) == int(line[3].replace(",", "")), "the column adds up to the line below it"


def test_limits_say_what_is_too_much(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    net = ModelBuilder(1)
    path = tmp_path / "large.tflite"
    path.write_bytes(net.finish(net.conv(net.input((1, 100, 100, 40)), 40, (9, 9))))
    assert complexity.report(str(path), None) == 1
    printed = capsys.readouterr().out
    assert "129,760 parameters are 1,760 above the limit" in printed
    assert "1,296,000,000 MACs are 1,266,000,000 above the limit of 30,000,000" in printed


def test_weights_must_be_int8() -> None:
    net = ModelBuilder(1)
    model = unpack(net.finish(net.dense(net.input((1, 8)), 4)))
    model.subgraphs[0].tensors[1].type = schema().TensorType.UINT8
    counts = complexity.measure(pack(model))
    assert not counts.within_limits
    assert "uint8 instead of int8" in counts.excess[0]


def test_no_such_model() -> None:
    with pytest.raises(ModelError, match=r"no model nonsense: give a bundle's folder, a \.tflite file, or a network"):
        complexity.measure("nonsense")


@pytest.mark.parametrize("bundle", sorted((REPOSITORY / "models").glob("*/")), ids=lambda path: path.name)
def test_shipped_bundles_are_within_the_limits(bundle: Path) -> None:
    assert complexity.measure(bundle).within_limits
