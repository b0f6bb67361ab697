import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask_shared.vision.affine import Affine, scaling, shift

numbers = st.floats(-100, 100)
affines = st.builds(Affine, *[numbers] * 6)
invertible = affines.filter(lambda affine: affine.area > 0.1)
POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-3.5, 12.25]])


def _applied(affine: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = affine.matrix()
    mapped: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped


@given(affines, affines)
def test_the_map_after_another_is_both_one_after_the_other(second: Affine, first: Affine) -> None:
    expected = _applied(second, _applied(first, POINTS))
    assert _applied(second.after(first), POINTS) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(invertible)
def test_the_way_there_and_back_leads_home(affine: Affine) -> None:
    for round_trip in (affine.inverse().after(affine), affine.after(affine.inverse())):
        assert _applied(round_trip, POINTS) == pytest.approx(POINTS, abs=1e-5)


@given(affines, affines)
def test_areas_multiply(first: Affine, second: Affine) -> None:
    together = first.after(second).area
    assert together == pytest.approx(first.area * second.area, rel=1e-6, abs=1e-3)


@given(affines)
def test_a_matrix_comes_back_as_it_was(affine: Affine) -> None:
    assert Affine.of(affine.matrix()) == affine


def test_what_a_map_does_to_a_point() -> None:
    assert _applied(scaling(2, 3), np.array([[5.0, 7.0]])).tolist() == [[10, 21]]
    assert _applied(shift(2, 3), np.array([[5.0, 7.0]])).tolist() == [[7, 10]]
    quarter_turn = Affine(0, -1, 0, 1, 0, 0)
    assert _applied(quarter_turn, np.array([[5.0, 7.0]])).tolist() == [[-7, 5]]
    assert scaling(2, 3).area == 6


def test_there_is_no_way_back_from_a_line() -> None:
    with pytest.raises(ZeroDivisionError):
        Affine(1, 2, 0, 2, 4, 0).inverse()
