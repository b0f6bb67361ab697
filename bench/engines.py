"""Measures what could run the network on a CPU: `python bench/engines.py`.

Each row takes one clip from crops to logits, with the checkpoint that ships; only what looks at the
frames differs. All take turns, round after round. OpenVINO is measured where it is installed
(`pip install -r bench/engines-requirements.txt`).
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_media import make_clip
from numpy.typing import NDArray
from timing import median_ms, print_table
from torch import Tensor

from unmask_inference.onnx_frames import OnnxFrames, translated
from unmask_shared.model.checkpoint import Checkpoint, load_checkpoint
from unmask_shared.model.frame_maps import FrameEngine, MakeEngine, TorchFrames
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model.transforms import CropTransform
from unmask_shared.model.trunks import last_maps
from unmask_shared.vision.pipeline import VisionSettings, extract_faces

MODEL_DIR = Path(__file__).parents[1] / "models" / "default"
FRAMES = 16
AS_TRAINED = "PyTorch, as trained"
Crops = NDArray[np.uint8]


class Unfolded:
    """PyTorch with the batch norms as they were trained."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._trunk = checkpoint.model.trunk
        self._transform = CropTransform(mean=checkpoint.card.mean, std=checkpoint.card.std)

    def __call__(self, crops: Crops) -> Tensor:
        with torch.no_grad():
            return last_maps(self._trunk, self._transform(crops))


class HalfPrecision:
    """PyTorch in bfloat16."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._frames = TorchFrames(checkpoint, torch.device("cpu"))

    def __call__(self, crops: Crops) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self._frames(crops).float()


class OnnxSharedLayers:
    """ONNX Runtime whose threads share the work of each layer, as it does by default."""

    def __init__(self, checkpoint: Checkpoint, threads: int) -> None:
        import onnxruntime  # noqa: PLC0415 # as in the worker

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            translated(checkpoint), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, crops: Crops) -> Tensor:
        return torch.from_numpy(self._session.run(None, {"crops": crops})[0])


class OpenVino:
    """OpenVINO in float32."""

    def __init__(self, checkpoint: Checkpoint, threads: int) -> None:
        openvino: Any = importlib.import_module("openvino")
        core = openvino.Core()
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        model = core.read_model(translated(checkpoint))
        self._request = core.compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, crops: Crops) -> Tensor:
        return torch.from_numpy(self._request.infer({0: crops})[0].copy())


def makers(threads: int) -> dict[str, MakeEngine]:
    """What makes each candidate."""

    def fixed(make: Any) -> MakeEngine:
        def make_engine(checkpoint: Checkpoint, _device: torch.device) -> FrameEngine:
            engine: FrameEngine = make(checkpoint)
            return engine

        return make_engine

    candidates = {
        AS_TRAINED: fixed(Unfolded),
        "PyTorch, batch norms folded (`torch`)": TorchFrames,
        "the same in bfloat16": fixed(HalfPrecision),
        "ONNX Runtime, frames divided (`onnxruntime`)": fixed(
            lambda checkpoint: OnnxFrames(checkpoint, threads=threads)
        ),
        "ONNX Runtime, layers divided": fixed(
            lambda checkpoint: OnnxSharedLayers(checkpoint, threads)
        ),
    }
    if importlib.util.find_spec("openvino"):
        candidates["OpenVINO"] = fixed(lambda checkpoint: OpenVino(checkpoint, threads))
    return candidates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        film = make_clip(Path(folder) / "one.mp4", faces=1, frames=60)
        clip = extract_faces(film.path, VisionSettings()).tracks[0].crops[:FRAMES]
    side = clip.shape[1]
    for threads in (2, 1):
        torch.set_num_threads(threads)
        classifiers = {
            name: ClipClassifier(load_checkpoint(MODEL_DIR), make_engine=make)
            for name, make in makers(threads).items()
        }
        times = median_ms(
            {name: lambda one=one: one.logits([clip]) for name, one in classifiers.items()},
            options.rounds,
        )
        expected = classifiers[AS_TRAINED].logits([clip])
        print_table(
            (
                f"{FRAMES} frames of {side} px, {threads} threads",
                "ms",
                "times as fast",
                "logits off by",
            ),
            [
                (
                    name,
                    f"{times[name]:.0f}",
                    f"{times[AS_TRAINED] / times[name]:.2f}",
                    f"{np.abs(one.logits([clip]) - expected).max():.0e}",
                )
                for name, one in classifiers.items()
            ],
        )


if __name__ == "__main__":
    main()
