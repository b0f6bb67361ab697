"""Grad-CAM: where in each frame the network sees signs of a forgery, or of none.

After Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017. The score that is explained is the logit of fake less that of real.
"""

import copy
import itertools

import torch
from torch import Tensor

from unmask_shared.model.resnet_lstm import FAKE, REAL, ResNetLSTM
from unmask_shared.model.trunks import last_maps


class GradCam:
    """Explains the clips that a network classifies.

    The gradient goes no further back than to the last maps, so a call costs a forward pass and
    little more, and takes no more memory. The network is left as it is, also while other threads
    use it: what has to be changed is changed in a copy that shares its weights. One instance may
    be called by several threads.
    """

    def __init__(self, model: ResNetLSTM) -> None:
        """Copy a network without its weights.

        Args:
            model: In evaluation mode, on the device where it stays.
        """
        self._model = _sharing_weights(model)
        # cuDNN has no backward pass for an LSTM in evaluation mode. In training mode, and without
        # dropout between its layers, it computes the same; switching cuDNN off would slow down all
        # threads.
        self._model.lstm.dropout = 0.0
        self._model.lstm.train()

    def __call__(self, clips: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Classify clips and explain how.

        Args:
            clips: As `ResNetLSTM.forward` takes them: (B, T, 3, S, S), on the network's device.
            lengths: Likewise, (B,) on the CPU.

        Returns:
            (B, 2) logits, and (B, T, h, w) float32 maps with the signed evidence at each place of
            each frame, 0 behind a clip's length, as `of_maps` has it.
        """
        batch, frames = clips.shape[:2]
        if lengths is None:
            lengths = torch.full((batch,), frames, dtype=torch.int64)
        valid = (torch.arange(frames)[None, :] < lengths[:, None]).to(clips.device)
        with torch.inference_mode(mode=False), torch.no_grad():
            maps = last_maps(self._model.trunk, clips[valid])
        logits, evidence = self.of_maps(maps, lengths)
        padded = evidence.new_zeros((batch, frames, *evidence.shape[1:]))
        padded[valid] = evidence
        return logits, padded

    def of_maps(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Classify clips of which the trunk's last maps are known, and explain how.

        Args:
            maps: (sum of the lengths, C, h, w), as `last_maps` makes them, frame after frame, clip
                after clip; not made in inference mode.
            lengths: (B,) int64 on the CPU, frames of each clip.

        Returns:
            (B, 2) logits, and (sum of the lengths, h, w) float32 with the signed evidence at each
            place of each frame: positive where it speaks for a forgery. The sum over a frame is
            what it adds to the score, to first order, if the network takes the mean over the maps.
        """
        with torch.inference_mode(mode=False), torch.enable_grad():
            # Movement is explained where it is seen, not by the two frames that it lies between.
            seen = tuple(one.detach().requires_grad_() for one in self._model.seen(maps, lengths))
            logits = self._model.of_seen(seen, lengths)
            score = (logits[:, FAKE] - logits[:, REAL]).sum()  # No clip depends on another one.
            gradients = torch.autograd.grad(score, seen)
        shares = [
            (gradient.float().mean(dim=(2, 3), keepdim=True) * one.detach().float()).sum(1)
            for gradient, one in zip(gradients, seen, strict=True)
        ]
        return logits.detach(), torch.stack(shares).sum(0)


def _sharing_weights(model: ResNetLSTM) -> ResNetLSTM:
    tensors = itertools.chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, memo={id(tensor): tensor for tensor in tensors})
