import threading

import pytest

from data.runtime.parallel import in_order


def test_results_come_in_the_order_of_the_items():
    last = threading.Event()

    def work(item):
        # The first item waits for the second, so both must run at once.
        if item == 0:
            assert last.wait(60)
        if item == 1:
            last.set()
        return item**2

    assert list(in_order(work, range(20), workers=2)) == [item**2 for item in range(20)]
    assert list(in_order(work, [], workers=2)) == []


def test_items_are_taken_little_ahead():
    taken = []
    results = in_order(lambda item: item, (taken.append(item) or item for item in range(1000)), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 2 * 2


def test_what_the_function_raises_comes_at_its_turn():
    def work(item):
        return 1 / (2 - item)

    results = in_order(work, range(5), workers=3)
    assert [next(results), next(results)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
