"""Streams, from a server of raw packets on this machine."""

import socket
import threading
import time

import pytest

from keras_fcn.commands import predict
from keras_fcn.prediction.video.reader import Clip, UnreadableVideo, VideoReader
from keras_fcn.prediction.video.stream import StreamReader
from tests.support.commands import outcome, refusal
from tests.support.ports import refusing_port
from tests.support.videos import write_video


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A transport stream of 20 frames, which has no duration."""
    path = tmp_path_factory.mktemp("stream") / "a.ts"
    write_video(path, [100 * n for n in range(20)])
    return path.read_bytes()


class _Server:
    """Sends a content to each of a number of connections, and closes them."""

    def __init__(self, content, num_connections):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._content, self._left = content, num_connections
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        for _ in range(self._left):
            connection, _ = self._listener.accept()
            with connection:
                connection.sendall(self._content)
        self._listener.close()  # further connections are refused


def wait_for_the_end(stream):
    """Wait until all is received, and the connection is lost."""
    while not stream._loss:
        time.sleep(0.01)


def test_a_lost_connection_is_opened_again(content, caplog):
    server = _Server(content, 3)
    with StreamReader(server.url, delays=(0.01,)) as stream:
        frames = []
        for frame in stream.frames():
            frames.append(frame)
            time.sleep(0.01)
    assert "reconnecting in 0.01 s (1 of 1)" in caplog.text
    # The attempts are counted anew after each connection.
    assert "after 60 frames, and 1 attempts to reconnect failed" in stream.damage
    assert frames[-1].index == 59 and frames[-1].image.shape == (48, 64, 3)
    times = [frame.time for frame in frames]
    assert times == sorted(times)


def test_frames_are_dropped_while_the_consumer_computes(content):
    server = _Server(content, 1)
    with StreamReader(server.url, delays=()) as stream:
        frames = stream.frames()
        found = [next(frames)]
        wait_for_the_end(stream)
        found.extend(frames)
    assert found[-1].index == 19
    assert len(found) <= 2


def test_a_clip_of_a_stream_has_its_frames(content):
    clip = Clip(start=0.5, end=1.5, every=2)  # frames 5 to 14; that at 1.5 s is out
    with StreamReader(_Server(content, 1).url, clip, delays=()) as stream:
        found = [frame.index for frame in stream.frames()]  # some may be dropped
    assert set(found) <= {5, 7, 9, 11, 13} and found[-1] == 13


def test_a_budget_of_frames_ends_the_stream(content):
    server = _Server(content, 1)
    with StreamReader(server.url, Clip(max_frames=1), delays=()) as stream:
        frames = stream.frames()
        next(frames)
        wait_for_the_end(stream)
        assert list(frames) == []
        assert stream.damage == ""


def test_predict_writes_the_outputs_of_a_stream(scored_run, content, tmp_path, capsys):
    server = _Server(content, 1)
    flags = ("--model", scored_run.path, "--output-dir", tmp_path, "--max-frames", "1")
    status, out, err = outcome(predict, capsys, server.url, *flags)
    assert status == 0, err
    assert f"{server.url}: 1 frames" in out
    stem = server.url.removeprefix("tcp://").replace(":", "-")
    assert (tmp_path / f"{stem}_overlay.mp4").exists()
    assert len(list((tmp_path / f"{stem}_labels").iterdir())) == 1


def test_a_stream_that_cannot_be_opened_is_one_line(scored_run, tmp_path, capsys):
    url = f"tcp://127.0.0.1:{refusing_port()}"
    line = refusal(predict, capsys, url, "--model", scored_run.path)
    assert f"{url} can't be opened (Connection refused)" in line


def test_playlists_of_a_server_name_no_files_of_this_machine(content, tmp_path):
    (tmp_path / "a.ts").write_bytes(content)
    playlist = f"ffconcat version 1.0\nfile 'file:{tmp_path}/a.ts'\n"
    server = _Server(playlist.encode(), 1)
    with pytest.raises(UnreadableVideo):
        StreamReader(server.url)


def test_max_frames_limits_files_too(tmp_path):
    write_video(tmp_path / "a.mp4", [100 * n for n in range(10)])
    with VideoReader(tmp_path / "a.mp4", Clip(every=2, max_frames=3)) as video:
        assert video.num_frames == 3
        assert [frame.index for frame in video.frames()] == [0, 2, 4]
