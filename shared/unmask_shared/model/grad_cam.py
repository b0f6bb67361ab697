"""Grad-CAM: where in each frame the network sees signs of a forgery, or of none.

After Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017. The score that is explained is the logit of fake less that of real.
"""

import copy
import itertools
import threading

import torch
from torch import Tensor, nn

from unmask_shared.model.resnet_lstm import FAKE, REAL, ResNetLSTM


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
        self._seen = threading.local()
        last_stage(self._model.trunk).register_forward_hook(self._keep_maps)

    def __call__(self, clips: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Classify clips and explain how.

        Args:
            clips: As `ResNetLSTM.forward` takes them: (B, T, 3, S, S), on the network's device.
            lengths: Likewise, (B,) on the CPU.

        Returns:
            (B, 2) logits, and (B, T, h, w) float32 maps with the signed evidence at each place of
            each frame: positive where it speaks for a forgery, 0 behind a clip's length. The sum
            over a frame is what it adds to the score, to first order, if the network takes the
            mean over the maps; h and w are those of its last stage.
        """
        with torch.inference_mode(mode=False), torch.no_grad():
            logits = self._model(clips, lengths)  # From the last stage on with gradients.
            maps: Tensor = self._seen.maps
            del self._seen.maps
            score = (logits[:, FAKE] - logits[:, REAL]).sum()  # No clip depends on another one.
            (gradient,) = torch.autograd.grad(score, maps)
        evidence = (gradient.float().mean(dim=(2, 3), keepdim=True) * maps.detach().float()).sum(1)
        batch, frames = clips.shape[:2]
        if lengths is None:
            return logits.detach(), evidence.reshape(batch, frames, *evidence.shape[1:])
        valid = (torch.arange(frames)[None, :] < lengths[:, None]).to(clips.device)
        padded = evidence.new_zeros((batch, frames, *evidence.shape[1:]))
        padded[valid] = evidence
        return logits.detach(), padded

    def _keep_maps(self, _stage: nn.Module, _inputs: object, maps: Tensor) -> Tensor:
        leaf = maps.detach().requires_grad_()
        self._seen.maps = leaf
        torch.set_grad_enabled(True)  # Until the end of the call, and in this thread only.
        return leaf


def last_stage(trunk: nn.Module) -> nn.Module:
    """The stage of a trunk whose maps are explained: the last that still tells places apart.

    `layer4` in all our trunks. `resnet29_face` has one more, but of a crop of 112 px that one
    leaves a single place.
    """
    return trunk.get_submodule("layer4")


def _sharing_weights(model: ResNetLSTM) -> ResNetLSTM:
    tensors = itertools.chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, memo={id(tensor): tensor for tensor in tensors})
