"""The value range: which stored values become 0 and 255.

Files with 8 bits per channel have values from 0 to 255. Files with 16 or 32 bits, and
arrays, have values of any range: a camera with 12 bits stores 0 to 4095 in 16 bits.
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from keras_fcn.errors import summarize
from keras_fcn.images.opening import UnreadableImage
from keras_fcn.options import ValueRange

logger = logging.getLogger(__name__)

Limits = tuple[float, float]  # the stored values that become 0 and 255

_BIT_DEPTHS = (8, 10, 12, 14, 16)  # of cameras, microscopes and satellites
_LEAST_SHARE = 0.1  # of the range; an image with less contrast is reported
_MOST_CLIPPED = 0.01  # of the values
_reported: set[Limits] = set()  # in this process


class Extent(NamedTuple):
    """Type, least and greatest of the values of an image.

    Attributes:
        dtype: of the file or the array, such as "uint16".
        low: the least value.
        high: the greatest value.
        shape: of the array.
    """

    dtype: str
    low: float
    high: float
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: np.ndarray, name: str) -> "Extent":
        """Return the extent of an image.

        Args:
            values: of any numeric type, not empty.
            name: the image's name in the error message.

        Raises:
            UnreadableImage: if a value is infinite or not a number.
        """
        low, high = float(values.min()), float(values.max())
        extent = cls(str(values.dtype), low, high, values.shape)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise UnreadableImage(
                f"{name} must have finite values, by default values from 0 to 255. "
                f"Received: {extent}"
            )
        return extent

    @property
    def has_bytes(self) -> bool:
        """Whether the values are those of an ordinary image, uint8."""
        return self.dtype == "uint8"

    def uses_little(self, limits: Limits) -> bool:
        """Return whether the values use less than a tenth of a range.

        Args:
            limits: the range.
        """
        return self.high - self.low < _LEAST_SHARE * (limits[1] - limits[0])

    def __str__(self) -> str:
        shape = f" {self.shape}" if self.shape else ""
        return f"{self.dtype}{shape} with values from {self.low:g} to {self.high:g}"


def find_range(extents: Iterable[Extent], option: ValueRange = "auto") -> ValueRange:
    """Determine the value range of a data set from all of its images.

    Args:
        extents: those of all images.
        option: "auto", or the user's choice, which is returned.

    Returns:
        "auto" if all images have 8 bits. Otherwise the range that contains the values
        of all others: for integers from 0 that of 8, 10, 12, 14 or 16 bits; for floats
        0 to 1 or 0 to 255; else from the least to the greatest value.
    """
    wide = [one for one in extents if not one.has_bytes]
    if option != "auto" or not wide:
        return option
    low, high = min(one.low for one in wide), max(one.high for one in wide)
    has_floats = any("float" in one.dtype for one in wide)
    if low >= 0 and has_floats and high <= 255:
        return (0.0, 1.0) if high <= 1 else (0.0, 255.0)
    if low >= 0 and not has_floats and (limits := _of_bit_depth(high)):
        return limits
    return low, max(high, low + 1)  # images of one value


def limits_of(extent: Extent, option: ValueRange, name: str) -> Limits:
    """Return the value range of one image.

    Args:
        extent: that of the image.
        option: the range of the network's data. It applies to images of 8 bits only if
            it lies within 0 to 255: otherwise their range is 0 to 255. "dtype" is the
            whole range of an integer type, and 0 to 1 for floats. "auto" is decided by
            the image alone: integers from 0 have 8, 10, 12, 14 or 16 bits, and floats
            are from 0 to 255.
        name: the image's name in messages.

    Raises:
        UnreadableImage: if the range is "auto" and the values do not show it.
    """
    kind = np.dtype(extent.dtype)
    if isinstance(option, tuple):
        is_of_bytes = 0 <= option[0] and 1 < option[1] <= 255
        return option if is_of_bytes or not extent.has_bytes else (0, 255)
    if extent.has_bytes:
        return 0, 255
    if option == "dtype":
        if kind.kind == "f":
            return 0, 1
        return int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    if kind.kind == "f" and 0 <= extent.low and 1 < extent.high <= 255:
        return 0, 255
    limits = _of_bit_depth(extent.high) if extent.low >= 0 else None
    if kind.kind == "f" or limits is None:
        if kind.kind == "f" and 0 <= extent.low and extent.high <= 1:
            raise UnreadableImage(
                f"{name} must have `value_range` 0,1, or values from 0 to 255: "
                f"multiply these by 255. Received: {extent}"
            )
        raise UnreadableImage(
            f"{name} must have `value_range` LOW,HIGH, such as {extent.low:g},"
            f"{max(extent.high, extent.low + 1):g}, unless it has integers of up to 16 "
            f"bits or values from 0 to 255. Received: {extent}"
        )
    if limits[1] > 255:
        _report_assumption(limits, name, extent)
    return limits


def scale(values: np.ndarray, limits: Limits) -> np.ndarray:
    """Map stored values to 0 to 255; values outside the range are clipped.

    Integers of a range of 8, 10, 12, 14 or 16 bits keep their upper eight bits.

    Args:
        values: of any numeric type.
        limits: the values that become 0 and 255.

    Returns:
        uint8 for integers, float32 for floats, of the same shape.
    """
    low, high = limits
    if values.dtype.kind == "f":
        share = (values.astype("float32") - low) * np.float32(255 / (high - low))
        return share.clip(0, 255)
    if values.dtype == np.uint8 and limits == (0, 255):
        return values
    is_short = values.dtype.itemsize < 4  # float32 holds 24 bits exactly
    clipped = values.astype("float32" if is_short else "float64").clip(low, high)
    if keeps_upper_bits(limits):
        return ((clipped - low) * (256 / (high - low + 1))).astype("uint8")
    return ((clipped - low) * (255 / (high - low))).round().astype("uint8")


def keeps_upper_bits(limits: Limits) -> bool:
    """Return whether a range is one of a bit depth, of which the upper bits are kept.

    Args:
        limits: the range.
    """
    num_values = limits[1] - limits[0] + 1
    return num_values >= 256 and np.log2(num_values).is_integer()


def scaled(values: np.ndarray, option: ValueRange, name: str) -> np.ndarray:
    """Map the stored values of an image for a prediction to 0 to 255.

    An image that uses less than a tenth of the range, or exceeds it, is reported in the
    log; ordinary images of 8 bits are not.

    Args:
        values: of any numeric type.
        option: as for `limits_of`.
        name: the image's name in messages.

    Returns:
        uint8 for integers, float32 for floats, of the same shape.

    Raises:
        UnreadableImage: if the range is not known.
    """
    if values.dtype == np.uint8 and not isinstance(option, tuple):
        return values
    extent = Extent.of(values, name)
    limits = limits_of(extent, option, name)
    if not extent.has_bytes or limits != (0, 255):
        shown = format_range(limits)
        if extent.uses_little(limits):
            logger.warning(
                "%s uses less than a tenth of the value range %s: %s. `value_range` "
                "sets another",
                *(name, shown, extent),
            )
        elif extent.low < limits[0] or extent.high > limits[1]:
            share = ((values < limits[0]) | (values > limits[1])).mean()
            if share > _MOST_CLIPPED:
                logger.warning(
                    "%.0f %% of the values of %s are outside the value range %s: %s. "
                    "`value_range` sets another",
                    *(100 * share, name, shown, extent),
                )
    return scale(values, limits)


def describe_range(option: ValueRange, extents: Iterable[Extent]) -> str:
    """Describe the value range of a data set in one line; "" for ordinary images.

    Args:
        option: as returned by `find_range`.
        extents: those of all images.
    """
    wide = [one for one in extents if not one.has_bytes]
    if not wide and not isinstance(option, tuple):
        return ""
    found = ""
    if wide:
        types = sorted({one.dtype for one in wide})
        low, high = min(one.low for one in wide), max(one.high for one in wide)
        found = f" ({summarize(types)} with values from {low:g} to {high:g})"
    if isinstance(option, str):
        return f"value range: that of the type of each image{found}"
    return f"value range: {format_range(option)} become 0 to 255{found}"


def format_range(limits: Limits) -> str:
    """Return a range as text, such as "0 to 4095 (12 bits)".

    Args:
        limits: the range.
    """
    depths = {2.0**depth - 1: depth for depth in _BIT_DEPTHS}
    has_bits = limits[0] == 0 and limits[1] in depths
    bits = f" ({depths[limits[1]]} bits)" if has_bits else ""
    return f"{limits[0]:.10g} to {limits[1]:.10g}{bits}"


def _of_bit_depth(high: float) -> Limits | None:
    """The range of the least bit depth that has a value; None above 16 bits."""
    return next((((0, 2**n - 1)) for n in _BIT_DEPTHS if high < 2**n), None)


def _report_assumption(limits, name, extent):
    """Log how images are read whose range is not known, once for each range."""
    if limits in _reported:
        return
    _reported.add(limits)
    logger.warning(
        "%s is read with the value range %s: %s, and no range is stored with the "
        "network. `value_range` sets another",
        *(name, format_range(limits), extent),
    )
