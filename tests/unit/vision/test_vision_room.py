"""What is taken belongs to whoever took it."""

from unmask_shared.vision.room import Room


def test_arrays_have_the_shape_asked_for_and_do_not_share_memory() -> None:
    room = Room()
    taken = [room.take(count, 64, 64, 3) for count in (1, 3, 2000, 2, 0, 1)]
    for number, array in enumerate(taken):
        array[:] = number
    for number, (array, count) in enumerate(zip(taken, (1, 3, 2000, 2, 0, 1), strict=True)):
        assert array.shape == (count, 64, 64, 3)
        assert array.flags.c_contiguous
        assert (array == number).all()
