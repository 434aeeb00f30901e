"""The finder's network: a backbone's maps, a light neck that brings them together, and one score and box a cell.

After CenterNet (Zhou, Wang, Krähenbühl 2019, "Objects as Points") a face is a peak of the score map; after FCOS (Tian
et al. 2019) a cell tells how far the four sides of its face are away.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks import Backbone, NetworkError

STRIDE = 8
"""Of the cells, in pixels of the view."""
MOST_FACES = 32
"""N: how many boxes the program gives."""
_RARE = 0.01
"""What a new network gives every cell: faces are rare (Lin et al. 2017, section 4.1)."""


class Neck(nn.Module):
    """Maps of strides 8, 16, 32 -> B x (1 + 4) x G x G: logits, and distances to the sides (logarithms of strides)."""

    def __init__(self, channels: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.sides = nn.ModuleList([_conv(each, width) for each in channels])
        self.mixed = nn.ModuleList([_apart(width) for _ in channels[1:]])
        self.scores = nn.Sequential(_apart(width), nn.Conv2d(width, 1, 1))
        self.boxes = nn.Sequential(_apart(width), nn.Conv2d(width, 4, 1))
        for parts, start in ((self.scores, math.log(_RARE / (1 - _RARE))), (self.boxes, math.log(4.0))):
            last = parts[-1]
            assert isinstance(last, nn.Conv2d) and last.bias is not None
            nn.init.constant_(last.bias, start)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """From the coarsest map down to the finest."""
        sides = [side(each) for side, each in zip(self.sides, maps, strict=True)]
        seen = sides[-1]
        for side, mix in zip(reversed(sides[:-1]), self.mixed, strict=True):
            seen = mix(side + functional.interpolate(seen, scale_factor=2.0, mode="nearest"))
        return torch.cat([self.scores(seen), self.boxes(seen)], dim=1)


def _conv(given: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(given, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def _apart(width: int) -> nn.Sequential:
    """A depthwise and a pointwise convolution."""
    return nn.Sequential(nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False), _conv(width, width))


class Detector(nn.Module):
    """Normalised pictures float32 B x 3 x S x S -> B x 5 x S/8 x S/8; the maps of the backbone come from `maps`."""

    def __init__(self, backbone: Backbone, levels: int = 3) -> None:
        super().__init__()
        self.backbone = backbone
        self.indices = _indices(backbone)[-levels:]
        self.lift = 2 ** (3 - levels)
        """Where the finest maps are not looked at, the coarser ones are enlarged to the same cells."""
        self.neck = Neck([info[1] for info in self.indices])

    def served(self) -> Detector:
        """The form for inference, a copy: the same answers (but for rounding), sooner."""
        form = copy.deepcopy(self)
        form.backbone = self.backbone.served()
        return form.eval()

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """What the backbone sees in B x 3 x S x S, uint8 or float in 0..255: the finest map first."""
        network = self.backbone.network
        seen: list[Tensor] = network.forward_intermediates(  # type: ignore[operator]
            self.backbone.normalised(pictures), indices=[index for index, _ in self.indices], intermediates_only=True
        )
        return seen

    def judged(self, maps: Sequence[Tensor]) -> Tensor:
        """Logits and distances of every cell."""
        out: Tensor = self.neck(maps)
        return out if self.lift == 1 else functional.interpolate(out, scale_factor=float(self.lift), mode="nearest")

    def forward(self, pictures: Tensor) -> Tensor:
        """From pictures in 0..255."""
        return self.judged(self.maps(pictures))


def _indices(backbone: Backbone) -> list[tuple[int, int]]:
    """Number and channels of the last maps of strides 8, 16 and 32.  Raises `NetworkError`."""
    network = backbone.network
    info = getattr(network, "feature_info", None)
    if info is None or not hasattr(network, "forward_intermediates"):
        raise NetworkError(f"{backbone.name} does not show its inner maps: a finder takes networks of timm that do")
    found = {int(each["reduction"]): (number, int(each["num_chs"])) for number, each in enumerate(info)}
    if not {8, 16, 32} <= set(found):
        raise NetworkError(f"{backbone.name} has no maps of strides 8, 16 and 32: try tf_efficientnet_lite0")
    return [found[stride] for stride in (8, 16, 32)]


class FinderProgram(nn.Module):
    """uint8 B x 3 x S x S -> boxes float32 B x N x 4 in fractions of the view, scores float32 B x N, the surest first.

    A cell that a neighbour outdoes is no face.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The faces of each view."""
        return decoded(self.detector(pictures))


def decoded(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Peaks of B x 5 x G x G as boxes B x N x 4 (x, y, width, height, fractions) and scores B x N."""
    scores = torch.sigmoid(cells[:, :1].float())
    peaks = scores * (functional.max_pool2d(scores, 3, 1, 1) == scores)
    sides = sides_of(cells[:, 1:].float()) / (cells.shape[-1] * STRIDE)
    best, place = torch.topk(peaks.flatten(1), MOST_FACES, dim=1)
    boxes = torch.gather(sides.flatten(2), 2, place[:, None].expand(-1, 4, -1)).transpose(1, 2)
    low, high = boxes[..., :2].clamp(0, 1), boxes[..., 2:].clamp(0, 1)
    return torch.cat([low, high - low], dim=2), best


def sides_of(distances: Tensor) -> Tensor:
    """Left, top, right, bottom in pixels, B x 4 x G x G, from the logarithms that the network gives."""
    high, wide = distances.shape[-2:]
    reach = torch.exp(distances.clamp(max=6.0)) * STRIDE
    across = (torch.arange(wide, device=distances.device, dtype=torch.float32) + 0.5) * STRIDE
    down = (torch.arange(high, device=distances.device, dtype=torch.float32) + 0.5) * STRIDE
    left, top = across[None, None] - reach[:, 0], down[None, :, None] - reach[:, 1]
    right, bottom = across[None, None] + reach[:, 2], down[None, :, None] + reach[:, 3]
    return torch.stack([left, top, right, bottom], dim=1)
