"""Prediction in a pipeline of Ray Data."""

from keras_fcn.ray.batch_predictor import BatchPredictor

__all__ = ["BatchPredictor"]
