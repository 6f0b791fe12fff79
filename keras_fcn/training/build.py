"""The trainer of a configuration: network, augmentation, optimizer, first weights."""

import logging

import keras

from keras_fcn import losses
from keras_fcn.config import TrainingConfig
from keras_fcn.errors import summarize
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.devices import use_xla
from keras_fcn.models.fcn import build_network
from keras_fcn.models.memory import free_when_deleted
from keras_fcn.models.precision import use_precision
from keras_fcn.models.weights import transfer_weights
from keras_fcn.runs.bundled import find_network
from keras_fcn.training.augment import make_augment
from keras_fcn.training.data import TrainingData
from keras_fcn.training.distributed.communication import detect_lost_peers
from keras_fcn.training.distributed.strategy import Distribution
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer

logger = logging.getLogger(__name__)


def make_trainer(
    config: TrainingConfig,
    data: TrainingData,
    weights: str | None,
    distribution: Distribution,
) -> Trainer:
    """Return a compiled trainer with all its variables.

    Args:
        config: the training, resolved.
        data: its data.
        weights: as for `FCN`.
        distribution: the devices.

    Raises:
        ValueError, OSError: as `FCN`.
    """
    # For the first weights, and because tf.data mixes TensorFlow's global seed into the
    # order of the images.
    keras.utils.set_random_seed(config.seed)
    class_map = data.dataset.class_map
    with detect_lost_peers(), distribution.scope():
        with use_precision(config.precision):
            architecture = Architecture.from_config(config, class_map.num_classes)
            network = build_network(architecture, weights)
        trainer = Trainer(
            network,
            make_augment(config, data.crop, class_map.void_id),
            class_map.num_classes,
            class_map.void_id,
            losses.get(config.loss, class_map.void_id, data.class_weights),
            losses.get(config.loss, class_map.void_id),
            distribution,
        )
        trainer.compile(
            optimizer=make_optimizer(config, data.num_steps(config.batch_size)),
            jit_compile=use_xla(data.has_one_size),
        )
        trainer.build()
        trainer.optimizer.build(trainer.trainable_variables)
    variables = [*trainer.variables, *trainer.optimizer.variables]
    free_when_deleted(variable.value for variable in variables)
    return trainer


def make_initialized_trainer(
    config: TrainingConfig, data: TrainingData, distribution: Distribution
) -> Trainer:
    """Return a trainer with the weights from which the configuration starts.

    Args:
        config: the training, resolved.
        data: its data.
        distribution: the devices.

    Raises:
        ValueError, OSError: as `FCN`, or if `init_from` is not usable.
    """
    if config.init_from is None:
        weights = None if config.weights == "none" else config.weights
        return make_trainer(config, data, weights, distribution)
    trainer = make_trainer(config, data, None, distribution)
    source = find_network(config.init_from)
    names = data.dataset.class_map.names
    has_same_classes = source.read_class_map().names == names
    new = transfer_weights(
        source.load_model(), trainer.network, keep_logits=has_same_classes
    )
    if distribution.is_first:
        logger.info(
            "Started from %s%s; re-initialized: %s",
            config.init_from,
            "" if has_same_classes else ", which has other classes",
            ", ".join(new) if new else "nothing",
        )
    return trainer


def log_training(config: TrainingConfig, data: TrainingData, trainer: Trainer) -> None:
    """Log what is trained on which data.

    Args:
        config: the training, resolved.
        data: its data.
        trainer: its trainer.
    """
    distribution, network = trainer.distribution, trainer.network
    if not distribution.is_first:
        logger.info(
            "Worker %d of %d trains on its part of each batch; worker 0 logs the "
            "progress and writes the run",
            distribution.worker,
            distribution.num_workers,
        )
        return
    if distribution.num_replicas > 1:
        logger.info("Training on %s", distribution.describe())
    class_map = data.dataset.class_map
    logger.info(
        "%s: %d training and %d validation images, %d classes",
        data.dataset.name,
        data.train.num_images,
        data.validation.num_images,
        class_map.num_classes,
    )
    if data.mixed is not None:
        logger.info(
            "mix %s: %d images, of which each step takes as many as of %s",
            config.mix,
            data.mixed.num_images,
            data.dataset.name,
        )
    counts = zip(class_map.names, data.train_pixels, strict=True)
    absent = [name for name, count in counts if not count]
    if absent:
        logger.warning(
            "Classes without a training pixel: %s", summarize(absent, most=11)
        )
    if data.class_weights is not None:
        named = zip(class_map.names, data.class_weights, strict=True)
        logger.info(
            "Class weights: %s",
            ", ".join(f"{name} {weight:.3f}" for name, weight in named),
        )
    logger.info(
        "%s, %s head: %.1f M parameters, %s",
        network.name,
        config.head,
        network.count_params() / 1e6,
        config.precision,
    )
