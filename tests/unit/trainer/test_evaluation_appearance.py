import numpy as np
import pytest

from unmask_shared.vision.align import template
from unmask_trainer.evaluation.appearance import apparent_skin

SIDE = 144


def face(skin, *, margin=0.05):
    """A face of one colour on a background of another, with black eyes and a black mouth."""
    crop = np.full((SIDE, SIDE, 3), (40, 90, 200), np.uint8)
    points = template(SIDE, margin)
    x, y = points[:, 0].mean(), points[:, 1].mean()
    unit = points[3, 0] - points[0, 0]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    crop[(rows - y) ** 2 + (columns - x) ** 2 < unit**2] = skin
    for px, py in points:
        crop[int(py) - 3 : int(py) + 4, int(px) - 3 : int(px) + 4] = 0
    return crop


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.3])
@pytest.mark.parametrize(
    ("skin", "group"),
    [((240, 205, 185), "light"), ((190, 140, 105), "medium"), ((95, 60, 40), "dark")],
)
def test_pictures_are_grouped_by_the_colour_of_the_cheeks(skin, group, margin):
    assert apparent_skin(face(skin, margin=margin), margin=margin) == group


def test_a_picture_without_colours_has_a_group():
    assert apparent_skin(face((250, 250, 250)), margin=0.05) == "light"
    assert apparent_skin(face((20, 20, 20)), margin=0.05) == "dark"
