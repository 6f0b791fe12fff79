"""A training that MLflow records in its local file store."""

from dataclasses import asdict

import keras
import pytest

import keras_fcn
from tests.support.data import tiny_config, write_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MLflow's own, at its import too
]


def test_mlflow_records_scores_options_figures_and_the_network(tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="needs MLflow")
    folder = write_folder(tmp_path / "mine")
    options = vars(tiny_config(folder, variant="32s", head_filters=8))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = mlflow.create_experiment("fcn", (tmp_path / "artifacts").as_uri())
    log_epoch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: mlflow.log_metrics(logs, step=epoch)
    )
    with mlflow.start_run(experiment_id=experiment) as record:
        run = keras_fcn.train(tmp_path / "run", callbacks=[log_epoch], **options)
        mlflow.log_params(asdict(run.config))
        mlflow.log_artifacts(run.path / "samples", "samples")
        mlflow.log_artifact(run.path / "best.keras")
    client = mlflow.MlflowClient()
    stored = client.get_run(record.info.run_id).data
    assert stored.params["variant"] == "32s"
    points = client.get_metric_history(record.info.run_id, "val_mean_iou")
    assert [point.value for point in points] == run.history["val_mean_iou"]
    names = [file.path for file in client.list_artifacts(record.info.run_id, "samples")]
    assert "samples/epoch-0002.png" in names
    path = mlflow.artifacts.download_artifacts(
        run_id=record.info.run_id, artifact_path="best.keras"
    )
    assert keras.saving.load_model(path).name == "fcn32s"
