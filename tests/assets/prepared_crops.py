"""A data set as `prepare` leaves it, of invented crops: ready to train on, with no video behind."""

import hashlib
import json
from pathlib import Path

import numpy as np
from labelled_crops import labelled_crops

from unmask_shared.vision.pipeline import VisionSettings
from unmask_trainer.datasets.crop_cache import CropCache
from unmask_trainer.datasets.prepared import (
    FACES_FOLDER,
    Preparation,
    PreparedVideo,
    Status,
    write_prepared,
)
from unmask_trainer.datasets.protocols import Protocol
from unmask_trainer.datasets.records import Part

SIDE, FRAMES = 32, 8
# What an experiment has to say to be given these crops.
CROPS = f"[crops]\nsize = {SIDE}\nclip_length = {FRAMES}\n"


def prepared_crops(
    folder: Path, people: dict[Part, int] | None = None, *, labels: tuple[int, ...] = (0, 1)
) -> Path:
    """Write the folder, with so many people in each part, each real and forged."""
    vision = VisionSettings(crop_size=SIDE, clip_length=FRAMES)
    faces = folder / FACES_FOLDER
    faces.mkdir(parents=True)
    cache, rows = CropCache(folder=faces, settings=vision), []
    for seed, (part, count) in enumerate(
        (people or {Part.TRAIN: 8, Part.VAL: 3, Part.TEST: 3}).items()
    ):
        made = labelled_crops(
            folder / "made", people=count, side=SIDE, frames=FRAMES, seed=seed, labels=labels
        )
        for item in made:
            video = item.video
            path = f"{video.path.parent.name}/{video.path.name}"
            digest = hashlib.sha256(path.encode()).hexdigest()
            key = cache.key_of(digest)
            np.save(cache.crops_path(key), item.load())
            (faces / f"{key}.json").write_text(
                json.dumps({"key": key, "faces": 1, "clips": item.clips, "problem": None})
            )
            rows.append(_row(path, digest, video.label, video.group, part))
    write_prepared(
        folder,
        Preparation(
            root=folder / "videos",
            layout="folders",
            protocol=Protocol.IDENTITY,
            seed=0,
            split_sha256="0" * 64,
            crop_size=SIDE,
            crop_margin=vision.crop_margin,
            clip_length=FRAMES,
        ),
        rows,
    )
    return folder


def _row(path: str, digest: str, label: int, person: str, part: Part) -> PreparedVideo:
    return PreparedVideo(
        id=path.removesuffix(".mp4"),
        label=label,
        identities=(person,),
        method="painted" if label else "",
        source=(f"footage-{person}",),
        split=part,
        dataset="invented",
        frames=FRAMES,
        faces=1,
        status=Status.OK,
        error="",
        protocol="identity",
        path=path,
        sha256=digest,
    )
