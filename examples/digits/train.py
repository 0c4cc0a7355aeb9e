"""Train the three versions of the digit classifier that the demo releases.

    python3 -m venv /tmp/venv-digits
    /tmp/venv-digits/bin/pip install -r examples/digits/requirements.txt
    /tmp/venv-digits/bin/python examples/digits/train.py

Writes, beside this file:

    v1.onnx  fair    logistic regression on the first 120 training images
    v2.onnx  better  scaler + small neural net on all 1,000 training images
    v3.onnx  broken  scaler + PCA + net, exported WITHOUT its scaler
    heldout.csv      797 images that no model saw: 64 pixels (0..16), then the label
    metrics.json     per version what is recorded at registration
    testdata/expected.json.gz  what ONNX Runtime answers, for the parity test

v3 is the mistake this demo is about. In the notebook the scaler sits in front
of the net, and the two score about as well as v2; the export takes what comes
after the scaler, so in production it gets raw pixels where it was trained on
scaled ones. It loads, it answers, it never fails a request. It is only wrong.

Everything is seeded; with requirements.txt's versions the files come out
byte for byte alike.
"""

import csv
import gzip
import json
import os
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
import sklearn
import skl2onnx
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 20260101
HELD_OUT = 797
FEW = 120
HERE = pathlib.Path(__file__).parent


def export(model, path):
    """Write model as ONNX with the interface that examples/digits/model.yaml declares."""
    graph = convert_sklearn(
        model,
        name=path.stem,
        initial_types=[("pixels", FloatTensorType([None, 64]))],
        final_types=[
            ("label", Int64TensorType([None])),
            ("probabilities", FloatTensorType([None, 10])),
        ],
        options={id(model): {"zipmap": False}},
    )
    onnx.checker.check_model(graph, full_check=True)
    path.write_bytes(graph.SerializeToString(deterministic=True))
    return graph


def answers(path, x):
    session = ort.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    label, prob = session.run(["label", "probabilities"], {"pixels": x.astype(np.float32)})
    return label, prob


def main():
    pixels, labels = load_digits(return_X_y=True)
    train_x, held_x, train_y, held_y = train_test_split(
        pixels, labels, test_size=HELD_OUT, stratify=labels, random_state=SEED
    )

    fair = LogisticRegression(C=0.02, max_iter=2000).fit(train_x[:FEW], train_y[:FEW])
    better = make_pipeline(
        StandardScaler(), MLPClassifier((48,), alpha=1e-2, max_iter=600, random_state=SEED)
    ).fit(train_x, train_y)
    whitened = make_pipeline(
        StandardScaler(),
        PCA(30, whiten=True, random_state=SEED),
        MLPClassifier((64, 32), alpha=1e-2, max_iter=600, random_state=SEED),
    ).fit(train_x, train_y)

    # name: what the notebook scored, what is exported
    builds = {"v1": (fair, fair), "v2": (better, better), "v3": (whitened, whitened[1:])}
    environment = f"scikit-learn {sklearn.__version__}, skl2onnx {skl2onnx.__version__}"
    metrics, expected = {}, {}
    for name, (scored, exported) in builds.items():
        path = HERE / f"{name}.onnx"
        graph = export(exported, path)
        label, prob = answers(path, held_x)
        offline = float((scored.predict(held_x) == held_y).mean())
        served = float((label == held_y).mean())
        metrics[name] = {
            "accuracy": round(offline, 4),
            "train_images": FEW if name == "v1" else len(train_x),
        }
        expected[name] = {
            "labels": label.tolist(),
            "probabilities": [[float(f"{p:.7g}") for p in row] for row in prob],
        }
        ops = sorted({(n.domain + "." if n.domain else "") + n.op_type for n in graph.graph.node})
        print(f"{name}: notebook {offline:.4f}, as exported {served:.4f}, "
              f"{path.stat().st_size} bytes, {', '.join(ops)}")

    with open(HERE / "heldout.csv", "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        for row, y in zip(held_x.astype(int), held_y):
            out.writerow([*row.tolist(), int(y)])
    (HERE / "metrics.json").write_text(
        json.dumps({"environment": environment, "seed": SEED, "versions": metrics}, indent=2) + "\n"
    )
    (HERE / "testdata").mkdir(exist_ok=True)
    with gzip.GzipFile(HERE / "testdata" / "expected.json.gz", "wb", mtime=0) as z:
        z.write(json.dumps(expected, separators=(",", ":")).encode())


if __name__ == "__main__":
    # The converter walks Python sets, whose order depends on the hash seed, and
    # sums of several threads round differently: fix both, so that training
    # again gives the same bytes.
    fixed = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if any(os.environ.get(k) != v for k, v in fixed.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **fixed})
    main()
