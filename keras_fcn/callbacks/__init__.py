"""Keras callbacks for `Model.fit` on label maps."""

from keras_fcn.training.callbacks import SegmentationTensorBoard

__all__ = ["SegmentationTensorBoard"]
