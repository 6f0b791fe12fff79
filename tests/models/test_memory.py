import gc

import tensorflow as tf

from keras_fcn.models.memory import free_when_deleted


def shape_of(handle):
    return tuple(tf.raw_ops.VariableShape(input=handle).numpy())


def test_the_memory_of_a_deleted_variable_is_freed():
    variable = tf.Variable(tf.zeros((3, 4)))
    handle = variable.handle  # what TensorFlow keeps
    free_when_deleted([variable])
    gc.collect()
    assert shape_of(handle) == (3, 4)
    del variable
    gc.collect()
    assert shape_of(handle) == ()


def test_a_variable_with_copies_on_several_devices():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        variable = tf.Variable(tf.zeros((3, 4)))
    handle = variable.values[0].handle
    free_when_deleted([variable])
    del variable
    gc.collect()
    assert shape_of(handle) == ()


def test_a_variable_is_deleted_while_a_graph_is_built():
    variable = tf.Variable(tf.zeros((3, 4)))
    handle = variable.handle
    free_when_deleted([variable])
    with tf.Graph().as_default():  # as in an export
        del variable
        gc.collect()
    assert shape_of(handle) == ()
