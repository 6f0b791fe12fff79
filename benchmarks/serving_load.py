"""Load test of an exported network: prints the tables of docs/serving.md, "Sizing".

Exports a network in float32 and bfloat16 and measures the two in turns. Rates are those
of the exported functions, called in this process. Requests are sent one by one over
gRPC on the loopback interface, from the project's client to a server for
`serving_default`. Requires Linux.
"""

import argparse
import base64
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_model_argument, flag_type
from keras_fcn.options import PositiveInt, Seed, Size
from keras_fcn.runs.bundled import find_network
from keras_fcn.serving.client import connect
from keras_fcn.serving.export import export
from keras_fcn.serving.options import ExportOptions
from street_rendering import render_street

PRECISIONS = ("float32", "bfloat16")
MIN_SIDE = 16  # pixels, of the random sizes

positive_int = flag_type(PositiveInt)


def parse_batch_sizes(text):
    """Parse positive integers, `N,N`."""
    return [positive_int(number) for number in text.split(",")]


def parse_largest(text):
    """Parse `HxW` of at least 16x16."""
    size = flag_type(Size)(text)
    if min(size) < MIN_SIDE:
        raise argparse.ArgumentTypeError(
            f"expected a size of at least {MIN_SIDE}x{MIN_SIDE}, got {text}"
        )
    return size


def add_arguments(parser):
    """Add the flags."""
    add_model_argument(parser)
    parser.add_argument(
        "--size",
        type=flag_type(Size),
        default="360x480",
        metavar="HxW",
        help="size of the image",
    )
    parser.add_argument(
        "--batch-sizes",
        type=parse_batch_sizes,
        default="1,2,4,8",
        metavar="N,N",
        help="batch sizes",
    )
    parser.add_argument(
        "--repeats",
        type=positive_int,
        default=3,
        metavar="N",
        help="calls per rate; the median is printed",
    )
    parser.add_argument(
        "--num-requests",
        type=positive_int,
        default=2000,
        metavar="N",
        help="requests of one image to each network",
    )
    parser.add_argument(
        "--largest",
        type=parse_largest,
        default="160x200",
        metavar="HxW",
        help="largest of the random image sizes; the smallest is 16x16",
    )
    parser.add_argument(
        "--seed",
        type=flag_type(Seed),
        default=0,
        metavar="N",
        help="seed of sizes and scenes",
    )


def work(arguments, given):
    """Export, measure and print Markdown tables."""
    with tempfile.TemporaryDirectory() as folder:
        networks = export_and_load(arguments.model, Path(folder))
    image, _ = render_street(arguments.seed, 0, *arguments.size)
    print_rates(networks, image, arguments.batch_sizes, arguments.repeats)
    files = make_files(arguments.num_requests, arguments.largest, arguments.seed)
    print_requests(networks, files)
    print_answer_sizes(networks["float32"], image)
    return 0


main = Command(__doc__, add_arguments, work).main


def export_and_load(model, folder):
    """Export a network, and load it with TensorFlow alone, by precision."""
    run = find_network(model)
    versions = [
        export(run, folder, ExportOptions(precision=precision))
        for precision in PRECISIONS
    ]
    loaded = [tf.saved_model.load(str(version)) for version in versions]
    return dict(zip(PRECISIONS, loaded, strict=True))


def print_rates(networks, image, batch_sizes, num_repeats):
    """Print images per second by signature, batch size and precision."""
    rows = []
    for signature, name, value in (
        ("label_map", "image", tf.constant(image[None])),
        ("serving_default", "image_bytes", tf.constant([encode(image, "PNG")])),
    ):
        for batch_size in batch_sizes:
            inputs = {name: tf.repeat(value, batch_size, axis=0)}
            rates = measure_rates(networks, signature, inputs, num_repeats)
            rows.append([f"`{signature}`", batch_size, *(f"{r:.2f}" for r in rates)])
    height, width = image.shape[:2]
    print(f"Images per second, {height}x{width}:\n")
    print_table(["signature", "batch size", *PRECISIONS], rows)


def measure_rates(networks, signature, inputs, num_repeats):
    """Median images per second of each network."""
    seconds = {precision: [] for precision in networks}
    for repeat in range(num_repeats + 1):
        for precision, network in networks.items():
            start = time.perf_counter()
            answers = network.signatures[signature](**inputs)
            (count, *_) = [len(answer.numpy()) for answer in answers.values()]
            if repeat > 0:  # the first warms up
                seconds[precision].append(time.perf_counter() - start)
    return [count / statistics.median(values) for values in seconds.values()]


def make_files(count, largest, seed) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield PNG and JPEG files in turn, with height and width."""
    rng = np.random.default_rng(seed)
    scene, _ = render_street(seed, 1, *largest)
    for index in range(count):
        size = tuple(int(rng.integers(MIN_SIDE, side + 1)) for side in largest)
        image = scene[: size[0], : size[1]]
        yield encode(image, ("PNG", "JPEG")[index % 2]), size


def print_requests(networks, files: Iterable[tuple[bytes, tuple[int, int]]]):
    """Print latencies by precision, and memory over the requests."""
    latencies = {precision: [] for precision in networks}
    memory = []
    with ExitStack() as stack:
        senders = {
            precision: connect(
                stack.enter_context(serving(network.signatures["serving_default"])),
                timeout=60,
                num_retries=0,
            )
            for precision, network in networks.items()
        }
        for file, size in files:
            for precision, send in senders.items():
                start = time.perf_counter()
                ((label_png,),) = send([file])
                latencies[precision].append(time.perf_counter() - start)
                check_size(label_png, size)
            memory.append(resident_bytes())
    count = len(memory)
    print(f"{count} requests of one image each, mixed sizes, one at a time:\n")
    print_table(
        ["precision", "requests per second", "median, ms", "95 %", "99 %", "maximum"],
        [[name, *describe(seconds)] for name, seconds in latencies.items()],
    )
    print("Resident memory of this process, with both networks and the client:\n")
    marks = sorted({max(1, count * percent // 100) for percent in (5, 25, 50, 75, 100)})
    print_table(
        ["requests to each", *marks],
        [["MiB", *(f"{memory[mark - 1] / 2**20:.0f}" for mark in marks)]],
    )


def describe(seconds):
    """Rate, and percentiles in milliseconds."""
    percentiles = np.percentile(seconds, [50, 95, 99, 100]) * 1000
    return [f"{len(seconds) / sum(seconds):.1f}", *(f"{p:.1f}" for p in percentiles)]


def print_answer_sizes(network, image):
    """Print the size of a response by signature, in gRPC and in REST (JSON)."""
    rows = []
    for signature, inputs in (
        ("serving_default", {"image_bytes": tf.constant([encode(image, "PNG")])}),
        ("label_map", {"image": tf.constant(image[None])}),
        ("probabilities", {"image": tf.constant(image[None])}),
    ):
        answer = network.signatures[signature](**inputs)
        (name,) = answer
        message = make_response(answer).ByteSize()
        body = len(rest_body(answer[name].numpy()))
        rows.append([f"`{name}`", f"{message:,}", f"{body:,}"])
    height, width = image.shape[:2]
    print(f"Bytes of the response for one image, {height}x{width}:\n")
    print_table(["response", "gRPC", "REST"], rows)


def rest_body(values):
    """JSON of a tensor as from TensorFlow Serving: floats have nine digits."""
    if values.dtype == object:
        values = [{"b64": base64.b64encode(value).decode()} for value in values]
    elif values.dtype == np.float32:
        values = np.char.mod("%.9g", values).astype(float).tolist()
    else:
        values = values.tolist()
    return json.dumps({"predictions": values})


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Serves one signature."""

    def __init__(self, signature):
        self.signature = signature

    def Predict(self, request, context):
        """Run the signature on the tensors of a request."""
        inputs = {
            name: tf.constant(tf.make_ndarray(tensor))
            for name, tensor in request.inputs.items()
        }
        return make_response(self.signature(**inputs))


@contextmanager
def serving(signature) -> Iterator[str]:
    """Serve a signature on the loopback interface; yields the client's address."""
    server = grpc.server(ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(signature), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}/fcn"
    finally:
        server.stop(None).wait()


def make_response(answer):
    """The response for the outputs of a signature."""
    response = predict_pb2.PredictResponse()
    for name, value in answer.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
    return response


def encode(image, format):
    """Encode an image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=format)
    return buffer.getvalue()


def check_size(label_png, size):
    """Raise ValueError if the height and width of a label map differ from `size`."""
    with Image.open(io.BytesIO(label_png)) as image:
        if image.size[::-1] != size:
            raise ValueError(f"expected {size}, got {image.size[::-1]}")


def resident_bytes():
    """Resident memory of this process, bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def print_table(header, rows):
    """Print a Markdown table."""
    for row in (header, ["---"] * len(header), *rows):
        print("|", " | ".join(map(str, row)), "|")
    print()


if __name__ == "__main__":
    sys.exit(main())
