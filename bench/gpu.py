"""What a GPU makes of the inference worker: `python bench/gpu.py`, where there is CUDA.

Needs neither videos nor a face detector: the crops are noise, stored as the preprocessor stores
them. The floor is the bare network, with pixels that lie on the device already, by the number of
clips in a batch. Against it stands everything that a worker does between fetching and storing, in
as many threads as it has jobs, with clips of different videos in one batch. `--device cpu
--batches 1 2 --videos 4` tries it elsewhere.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from one_verdict import MODEL_DIR, StoredFaces, clips_of, judge
from timing import print_table

from unmask_inference.batcher import MicroBatcher
from unmask_shared.artifacts import (
    BoundingBox,
    Coverage,
    FaceFrame,
    FacesManifest,
    TrackManifest,
    VideoInfo,
)
from unmask_shared.model.card import ModelCard
from unmask_shared.model.checkpoint import load_card, load_checkpoint
from unmask_shared.model.frame_maps import FrameNetwork
from unmask_shared.model.predict import Clip, ClipClassifier
from unmask_shared.vision.crops import decode_crops
from unmask_shared.vision.encoding import encode_crops

CLIPS_OF_A_VIDEO = 5
FPS = 30
GAP_S = 2.0
MIB = 1024 * 1024


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "There is no CUDA here; --device cpu --batches 1 --videos 4 tries the bench."
        )
    card = load_card(MODEL_DIR)
    stored = noise_faces(card)
    clip = clips_of(stored, card.clip_length)[0]

    bare = {batch: bare_clips_per_s(clip, batch, device, options) for batch in options.batches}
    best = max(bare, key=lambda batch: bare[batch][0])
    print_table(
        ("the bare network, clips in a batch", "clips a second", "ms a clip", "device memory, MiB"),
        [
            (str(batch), f"{rate:.0f}", f"{1000 / rate:.2f}", f"{memory / MIB:.0f}")
            for batch, (rate, memory) in bare.items()
        ],
    )

    rows = []
    for batch, jobs in dict.fromkeys(((4, 4), (best, options.jobs))):
        rate, memory = worker_clips_per_s(stored, batch, jobs, device, options)
        shares = rate / bare[best][0], rate / bare[min(bare)][0]
        figures = f"{rate:.0f}", f"{shares[0]:.2f}", f"{shares[1]:.1f}", f"{memory / MIB:.0f}"
        rows.append((f"{batch} clips, {jobs} jobs", *figures))
    print_table(
        (
            "the worker, batches of",
            "clips a second",
            f"share of the bare network at {best}",
            f"times that at {min(bare)}",
            "device memory, MiB",
        ),
        rows,
    )

    stages = stage_times(stored, best, device, options.rounds)
    print_table(
        ("stage, one video at a time", "ms a clip"),
        [(name, f"{ms / CLIPS_OF_A_VIDEO:.2f}") for name, ms in stages.items()],
    )


def noise_faces(card: ModelCard) -> StoredFaces:
    """A face in five clips, which shows nothing but noise."""
    frames = tuple(
        FaceFrame(
            frame=round(clip * GAP_S * FPS) + step,
            time_s=clip * GAP_S + step / FPS,
            clip=clip,
            box=BoundingBox(x=0, y=0, width=card.input_size, height=card.input_size),
            landmarks=None,
            detected=True,
        )
        for clip in range(CLIPS_OF_A_VIDEO)
        for step in range(card.clip_length)
    )
    shape = (len(frames), card.input_size, card.input_size, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    duration_s = CLIPS_OF_A_VIDEO * GAP_S
    manifest = FacesManifest(
        video=VideoInfo(
            duration_s=duration_s,
            fps=FPS,
            width=1280,
            height=720,
            frames=round(duration_s * FPS),
            codec="h264",
        ),
        detector="none",
        crop_size=card.input_size,
        crop_margin=card.crop_margin,
        clip_length=card.clip_length,
        coverage=Coverage(
            policy="clips",
            clips=CLIPS_OF_A_VIDEO,
            frames=len(frames),
            missing_frames=0,
            sampled_s=len(frames) / FPS,
            longest_gap_s=GAP_S,
        ),
        tracks=(TrackManifest(track_id=0, crops="crops", thumbnail="thumbnail", frames=frames),),
    )
    return StoredFaces(manifest=manifest, crops=[encode_crops(frames, crops)])


def bare_clips_per_s(
    clip: Clip, batch: int, device: torch.device, options: argparse.Namespace
) -> tuple[float, int]:
    """Clips a second of the network alone, and the most memory of the device in use."""
    checkpoint = load_checkpoint(MODEL_DIR)
    network = FrameNetwork(checkpoint).to(device)
    model = checkpoint.model.to(device).eval()
    pixels = torch.from_numpy(np.concatenate([clip] * batch)).to(device)
    lengths = torch.full((batch,), len(clip), dtype=torch.int64)

    @torch.inference_mode()
    def forward() -> None:
        with torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda"):
            maps = network(pixels)
        model.of_maps(maps.float(), lengths)

    _forget_peak(device)
    return batch / _median_s(forward, device, options.rounds), _peak(device)


def worker_clips_per_s(
    stored: StoredFaces, batch: int, jobs: int, device: torch.device, options: argparse.Namespace
) -> tuple[float, int]:
    """The same of a worker with many videos waiting."""
    classifier = ClipClassifier(load_checkpoint(MODEL_DIR), device, batch_size=batch)

    def all_videos() -> None:
        list(pool.map(lambda _: judge(stored, classifier, batcher), range(options.videos)))

    _forget_peak(device)
    with (
        MicroBatcher(max_clips=batch, max_wait_s=0.005) as batcher,
        ThreadPoolExecutor(jobs) as pool,
    ):
        taken_s = _median_s(all_videos, device, max(1, options.rounds // 10))
    return options.videos * CLIPS_OF_A_VIDEO / taken_s, _peak(device)


def stage_times(
    stored: StoredFaces, batch: int, device: torch.device, rounds: int
) -> dict[str, float]:
    """Milliseconds for one video, by what is done."""
    classifier = ClipClassifier(load_checkpoint(MODEL_DIR), device, batch_size=batch)
    clips = clips_of(stored, classifier.card.clip_length)
    with MicroBatcher(max_clips=batch, max_wait_s=0.005) as batcher:
        stages: dict[str, Callable[[], object]] = {
            "decoding crops": lambda: [decode_crops(one) for one in stored.crops],
            "to the device, network, and back": lambda: classifier.logits(clips),
            "from stored crops to the verdict": lambda: judge(stored, classifier, batcher),
            "the same with 4 heatmaps": lambda: judge(stored, classifier, batcher, heatmaps=4),
        }
        return {name: _median_s(run, device, rounds) * 1000 for name, run in stages.items()}


def _median_s(run: Callable[[], object], device: torch.device, rounds: int) -> float:
    times = []
    for _ in range(rounds + 2):
        _finish(device)
        started_at = time.perf_counter()
        run()
        _finish(device)
        times.append(time.perf_counter() - started_at)
    return statistics.median(times[2:])  # the first ones choose kernels


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128])
    parser.add_argument(
        "--jobs", type=int, default=32, help="videos at the same time (%(default)s)"
    )
    parser.add_argument("--videos", type=int, default=200, help="that wait (%(default)s)")
    parser.add_argument("--rounds", type=int, default=30)
    return parser.parse_args()


if __name__ == "__main__":
    main()
