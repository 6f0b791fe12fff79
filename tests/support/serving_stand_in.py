"""A stand-in for TensorFlow Serving on loopback, with REST and gRPC.

Its model is a Python function instead of a SavedModel. Statuses, JSON and messages are
those of TensorFlow Serving: model_servers/http_server.cc (HTTP statuses),
util/json_tensor.cc, servables/tensorflow/predict_util.cc and core/basic_manager.cc.
"""

import base64
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
QUEUE_IS_FULL = "The batch scheduling queue to which this task was submitted is full"

_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:predict", re.IGNORECASE
)


class Status(Exception):
    """An error response: code and message of a tensorflow::Status."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class StandIn:
    """A REST and a gRPC server of one model; a context manager.

    Attributes:
        predict: function from a list of encoded images to a list of encoded label maps,
            which may raise `Status`.
        failures: errors returned for the next requests, in this order.
        requests: the lists of images that were received, in order.
        specs: requested name, version and label of the model, in order.
        input_name, output_name: the signature.
        predict_confidence: like `predict`, for the second output of the signature
            `confidence`; None if the model has no such signature.
        raw: (status, body) that REST returns instead, as a proxy would.

    With `tls`, an ssl.SSLContext, REST uses HTTPS.
    """

    def __init__(self, predict, name="fcn", max_message_bytes=-1, tls=None):
        self.predict, self.name = predict, name
        self.failures, self.requests, self.specs = [], [], []
        self.input_name, self.output_name = "image_bytes", "label_png_bytes"
        self.predict_confidence = None
        self.raw = None
        self.stopped = threading.Event()  # set to end a `predict` that waits for it
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._grpc = grpc.server(
            ThreadPoolExecutor(2),
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", -1),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Servicer(self), self._grpc
        )
        self._grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")

    def __enter__(self):
        self._thread.start()
        self._grpc.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._grpc.stop(None).wait()

    @property
    def rest_url(self):
        port = self._http.server_address[1]
        return f"http://127.0.0.1:{port}/v1/models/{self.name}"

    @property
    def grpc_url(self):
        return f"grpc://127.0.0.1:{self._grpc_port}/{self.name}"

    def respond(self, name, version, label, images):
        """Outputs of the model for images; raises `Status`."""
        self.specs.append((name, version, label))
        if name != self.name:
            wanted = f"Specific({name}, {version})" if version else f"Latest({name})"
            raise Status("NOT_FOUND", f"Servable not found for request: {wanted}")
        self.requests.append(list(images))
        if self.failures:
            raise self.failures.pop(0)
        return self.predict(images)

    def confidence(self, signature, images):
        """The second output by name; empty for `serving_default`."""
        if signature != "confidence":
            return {}
        if self.predict_confidence is None:
            raise Status(
                "INVALID_ARGUMENT",
                f'Serving signature name: "{signature}" not found in signature def',
            )
        return {"confidence_png_bytes": self.predict_confidence(images)}


class _Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, stand_in):
        self.stand_in = stand_in

    def Predict(self, request, context):
        try:
            return self._predict(request)
        except Status as status:
            context.abort(getattr(grpc.StatusCode, status.code), status.message)

    def _predict(self, request):
        server, spec = self.stand_in, request.model_spec
        for name in request.inputs:
            if name != server.input_name:
                raise Status(
                    "INVALID_ARGUMENT",
                    f"input tensor alias not found in signature: {name}. Inputs "
                    f"expected to be in the set {{{server.input_name}}}.",
                )
        for name in request.output_filter:
            if name not in (server.output_name, "confidence_png_bytes"):
                raise Status(
                    "INVALID_ARGUMENT",
                    f"output tensor alias not found in signature: {name} Outputs "
                    f"expected to be in the set {{{server.output_name}}}.",
                )
        images = tf.make_ndarray(request.inputs[server.input_name])
        if images.ndim != 1 or images.dtype != object:
            raise Status("INVALID_ARGUMENT", "image_bytes must be strings, [N]")
        label_pngs = server.respond(
            spec.name, spec.version.value, spec.version_label, list(images)
        )
        response = predict_pb2.PredictResponse()
        columns = {
            server.output_name: label_pngs,
            **server.confidence(spec.signature_name, list(images)),
        }
        for name, column in columns.items():
            tensor = response.outputs[name]
            tensor.dtype = tf.string.as_datatype_enum
            tensor.tensor_shape.dim.add(size=len(column))
            tensor.string_val.extend(column)
        return response


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if server.raw is not None:
                code, content, *retry_after = server.raw
                return self._reply(code, content, "text/html", *retry_after)
            try:
                reply = self._predict(body)
            except Status as status:
                code, reply = HTTP_STATUS[status.code], {"error": status.message}
                return self._reply(code, json.dumps(reply, indent=4).encode())
            self._reply(200, json.dumps(reply, indent=4).encode())

        def do_GET(self):
            if self.path != f"/v1/models/{server.name}":
                return self._reply(404, b'{"error": "Could not find any versions"}')
            status = {"error_code": "OK", "error_message": ""}
            version = {"version": "1", "state": "AVAILABLE", "status": status}
            reply = {"model_version_status": [version]}
            self._reply(200, json.dumps(reply, indent=1).encode())

        def _predict(self, body):
            found = _PATH.fullmatch(self.path)
            if not found:
                raise Status("INVALID_ARGUMENT", f"Malformed request: POST {self.path}")
            try:
                request = json.loads(body)
            except ValueError as error:
                raise Status(
                    "INVALID_ARGUMENT", f"JSON Parse error: {error}"
                ) from error
            name, version, label = found.groups()
            if name != server.name:
                server.respond(name, version, label, [])
            images = [
                _decode(instance, index, server.input_name)
                for index, instance in enumerate(_instances(request))
            ]
            label_pngs = server.respond(name, version, label, images)
            if not server.output_name.endswith("_bytes"):
                return {"predictions": label_pngs}
            label_pngs = [{"b64": base64.b64encode(png).decode()} for png in label_pngs]
            more = server.confidence(request.get("signature_name"), images)
            if not more:  # a single output has no name
                return {"predictions": label_pngs}
            return {
                "predictions": [
                    {
                        server.output_name: label_png,
                        **{
                            name: {"b64": base64.b64encode(column[index]).decode()}
                            for name, column in more.items()
                        },
                    }
                    for index, label_png in enumerate(label_pngs)
                ]
            }

        def _reply(self, code, body, kind="application/json", retry_after=None):
            self.send_response(code)
            if retry_after is not None:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def _instances(request):
    if "instances" not in request:
        raise Status("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")
    if not request["instances"]:
        raise Status(
            "INVALID_ARGUMENT",
            f"JSON Value: {json.dumps(request)} No values in 'instances' array",
        )
    return request["instances"]


def _decode(instance, index, input_name):
    """Bytes of `{"image_bytes": {"b64": ...}}`, or of `{"b64": ...}` for one input."""
    if set(instance) == {"b64"}:
        instance = {input_name: instance}
    place = f"Failed to process element: {index}"
    for name in instance:
        if name != input_name:
            raise Status(
                "INVALID_ARGUMENT",
                f"{place} key: {name} of 'instances' list. Error: INVALID_ARGUMENT: "
                f"JSON object: does not have named input: {name}",
            )
    if input_name not in instance:
        raise Status(
            "INVALID_ARGUMENT",
            f"{place} of 'instances' list. JSON object: {json.dumps(instance)} keys "
            f"must be equal to: {input_name}",
        )
    return base64.b64decode(instance[input_name]["b64"], validate=True)
