"""Full-integer INT8 conversion, and TensorFlow Lite's reference kernels, which every compared byte must match.

The only module that imports TensorFlow. A model of another Keras back end is converted in a child process that loads
it with TensorFlow.
"""

import io
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.errors import ModelError, ToolError
from tinyscene.frontend import Quantisation
from tinyscene.networks.backend import keras, quiet

PARALLEL_FROM = 16  # inputs: below it one interpreter is quicker than several


def convert(model: keras.Model, calibration: Iterable[NDArray[np.float32]]) -> bytes:
    """Convert a Keras model to a full-integer .tflite file: int8 input and output, per-channel weights, batch 1.

    Args:
        model: Keras model with one float input [batch, ...] and one output.
        calibration: float32 inputs without the batch axis ([n_mels, frames, 1] for our networks), standardised as the
            model gets them; a few hundred from the training clips. They set the ranges of all activations.

    Returns:
        The file. Same weights, same calibration: same bytes.

    Raises:
        ValueError: no calibration input.
        ModelError: TensorFlow Lite cannot convert the model, with its reason.
    """
    images = np.stack([np.asarray(image, np.float32) for image in calibration])
    if keras.backend.backend() != "tensorflow":
        return _convert_elsewhere(model, images)
    tensorflow = _tensorflow()
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(_single(model))

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for image in images:
            yield [image[np.newaxis]]

    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tensorflow.int8
    converter.inference_output_type = tensorflow.int8
    try:
        with quiet(), redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            return bytes(converter.convert())
    except Exception as error:  # the converter raises a dozen kinds
        raise ModelError(
            f"TensorFlow Lite cannot convert {model.name} to INT8 ({str(error).splitlines()[0]}); "
            "use layers and activations that it has in integers"
        ) from error


def convert_untrained(build: Callable[[], keras.Model], shape: tuple[int, ...]) -> bytes:
    """Return a network with random weights as an INT8 .tflite file; the same bytes every time.

    Args:
        build: function that returns the network.
        shape: shape of an input, without the batch axis.
    """
    keras.utils.set_random_seed(1)
    generator = np.random.default_rng(1)
    return convert(build(), (generator.normal(size=shape).astype(np.float32) for _ in range(8)))


def _single(model: keras.Model) -> keras.Model:
    """Copy a model for batch 1 with every name given by position; Keras's names count the models of a session."""
    names = {layer.name: f"{position:02}_{type(layer).__name__}" for position, layer in enumerate(model.layers)}
    single = keras.models.clone_model(
        keras.Model(model.inputs[0], model.outputs[0], name="model"),  # without its losses
        input_tensors=keras.Input(batch_shape=(1, *model.input_shape[1:]), name="image"),
        clone_function=lambda layer: layer.from_config({**layer.get_config(), "name": names[layer.name]}),
    )
    single.set_weights(model.get_weights())
    return single


def _convert_elsewhere(model: keras.Model, images: NDArray[np.float32]) -> bytes:
    """Convert in a child process that runs Keras on TensorFlow."""
    with files.temporary_folder("conversion") as folder:
        model.save(folder / "model.keras")
        np.save(folder / "images.npy", images)
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
        command = [sys.executable, "-m", "tinyscene.networks.conversion", str(folder)]
        child = subprocess.run(command, env=environment, capture_output=True, text=True)
        if child.returncode:
            raise ToolError(
                f"INT8 conversion in a TensorFlow process failed ({child.stderr.strip().splitlines()[-1:]}); "
                "install tensorflow as pyproject.toml pins it, or train with KERAS_BACKEND=tensorflow"
            )
        return (folder / "model.tflite").read_bytes()


def run_reference(model: bytes, inputs: NDArray[np.int8], *, workers: int | None = None) -> NDArray[np.int8]:
    """Run an INT8 .tflite file with TensorFlow Lite's reference kernels (OpResolverType.BUILTIN_REF).

    Args:
        model: the file; one input and one output, both batch 1.
        inputs: [N, ...], N inputs without the batch axis; a trailing axis of size 1 may be omitted.
        workers: number of interpreters that run at the same time, each with one thread; None: one a core.

    Returns:
        Outputs [N, ...] of the model's type, without the batch axis.

    Raises:
        ModelError: TensorFlow Lite cannot run the file, or the inputs do not fit it.
    """
    inputs = np.asarray(inputs)
    count = (workers or joblib.cpu_count()) if len(inputs) >= PARALLEL_FROM else 1
    parts = np.array_split(inputs, count)
    with ThreadPoolExecutor(count) as pool:  # a TensorFlow Lite interpreter releases Python's lock while it works
        return np.concatenate(list(pool.map(lambda part: _run_part(model, part), parts)))


def _run_part(model: bytes, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    interpreter = _interpreter(model)
    (source,) = interpreter.get_input_details()
    (sink,) = interpreter.get_output_details()
    shape = tuple(int(size) for size in source["shape"])
    if inputs.dtype != source["dtype"] or inputs[:1].size not in (0, np.prod(shape)):
        raise ModelError(
            f"inputs of {inputs.dtype} {inputs.shape[1:]} do not fit the model's {source['dtype'].__name__} "
            f"{shape}; make them with the front end and quantisation of the same bundle"
        )
    result = tuple(int(size) for size in sink["shape"])
    outputs = np.empty((len(inputs), *(result[1:] if result[:1] == (1,) else result)), sink["dtype"])
    for position, image in enumerate(inputs):
        interpreter.set_tensor(source["index"], image.reshape(shape))
        interpreter.invoke()
        outputs[position] = interpreter.get_tensor(sink["index"]).reshape(outputs.shape[1:])
    return outputs


def run_reference_tensors(model: bytes, image: NDArray[Any], tensors: Sequence[int]) -> list[NDArray[Any]]:
    """Run a model once with the reference kernels, and return any of its tensors by their numbers.

    Args:
        model: the file.
        image: input in the shape and type of the model's.
        tensors: numbers of tensors in the file.

    Raises:
        ModelError: as for `run_reference`.
    """
    interpreter = _interpreter(model, every_tensor=True)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(tensor) for tensor in tensors]


def input_of(model: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape, with the batch, and the type of a model's input.

    Raises:
        ModelError: TensorFlow Lite cannot run the file, the model has several inputs or outputs, or its input is not
            int8, uint8 or float32.
    """
    interpreter = _interpreter(model)
    sources, sinks = interpreter.get_input_details(), interpreter.get_output_details()
    if len(sources) != 1 or len(sinks) != 1:
        raise ModelError(f"the model has {len(sources)} inputs and {len(sinks)} outputs; convert it with one of each")
    dtype = np.dtype(sources[0]["dtype"])
    if dtype not in (np.int8, np.uint8, np.float32):
        raise ModelError(f"the model's input is {dtype}; convert it with an int8, uint8 or float32 input")
    return tuple(int(size) for size in sources[0]["shape"]), dtype


def quantisation(model: bytes) -> tuple[Quantisation, Quantisation]:
    """Return the quantisation of the model's input and of its output.

    Raises:
        ModelError: not a .tflite file, or its input or output is not int8.
    """
    interpreter = _interpreter(model)
    ends = []
    for detail in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        if detail["dtype"] != np.int8:
            raise ModelError(f"{detail['name']} is {detail['dtype'].__name__}; convert the model with int8 ends")
        scale, zero_point = detail["quantization"]
        ends.append(Quantisation(float(scale), int(zero_point)))
    source, sink = ends
    return source, sink


def _interpreter(model: bytes, every_tensor: bool = False) -> Any:  # a tf.lite.Interpreter
    lite = _tensorflow().lite
    try:
        interpreter = lite.Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=lite.experimental.OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=every_tensor,
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        if missing := re.search(r"Didn't find op for builtin opcode '(\w+)'", str(error)):
            raise ModelError(
                f"TensorFlow Lite has no reference kernel for {missing[1]}; verify cannot compare it, "
                "nor can evaluate run it: use another operator, or compile it unverified"
            ) from error
        raise ModelError(f"TensorFlow Lite cannot load the model ({reason}); convert it again") from error
    return interpreter


def _tensorflow() -> ModuleType:
    with quiet():
        import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated.*")
    return tensorflow


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "model.tflite").write_bytes(
        convert(keras.saving.load_model(folder / "model.keras", compile=False), np.load(folder / "images.npy"))
    )
