"""Write and describe small videos."""

from fractions import Fraction

import av
import numpy as np

TICK = Fraction(1, 1000)


def draw_frame(index, size=(48, 64)):
    """A frame of two gray halves whose border moves with the index."""
    image = np.full((*size, 3), 40, dtype="uint8")
    image[:, (7 * index) % size[1] :] = 200
    return image


def write_video(
    path, times, codec="libx264", sound=None, rotation=0, size=(48, 64), aspect=None
):
    """Write a frame for each time in milliseconds; optionally with a tone as audio."""
    rate = 10
    options = {"crf": "1"} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=rate, options=options)
        video.height, video.width = size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = TICK
        if codec == "mpeg4":
            video.codec_context.time_base = Fraction(1, rate)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(rotation)
        if sound:
            audio = container.add_stream(sound, rate=44100)
            audio.layout = "mono"
        for index, time in enumerate(times):
            image = draw_frame(index, size)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, TICK
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound:
            _write_tone(container, audio, (times[-1] + 100) / 1000)
    return path


def _write_tone(container, stream, seconds):
    wave = np.sin(np.arange(round(44100 * seconds)) * 2 * np.pi * 440 / 44100)
    samples = (8000 * wave).astype("int16")[None]
    for first in range(0, samples.shape[1], 1024):
        part = np.ascontiguousarray(samples[:, first : first + 1024])
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = 44100, first, Fraction(1, 44100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def describe_video(path):
    """Properties of a video: streams, times in milliseconds, size."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        found = {
            "codec": video.codec_context.name,
            "pixels": video.codec_context.pix_fmt,
            "size": (video.height, video.width),
            "times": [round(1000 * frame.time) for frame in frames],
            "images": [frame.to_ndarray(format="rgb24") for frame in frames],
        }
        sounds = container.streams.audio
        found["sound"] = sounds[0].codec_context.name if sounds else None
    if found["sound"]:
        with av.open(str(path)) as container:
            parts = list(container.decode(audio=0))
        found["sound_seconds"] = sum(part.samples / part.sample_rate for part in parts)
    return found
