from __future__ import annotations

import threading

from station.turns import Turns
from tests.station.test_flow import until


def test_the_device_goes_to_who_asked_first() -> None:
    turns, order = Turns(), list[int]()

    def take(number: int) -> None:
        with turns.turn():
            order.append(number)

    with turns.turn():
        threads = []
        for number in range(5):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            until(lambda number=number: turns.waiting() == number + 1)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_a_turn_ends_with_its_block_whatever_happens_there() -> None:
    turns = Turns()
    try:
        with turns.turn():
            raise ValueError
    except ValueError:
        pass
    with turns.turn():
        assert turns.waiting() == 0


def test_who_shares_the_device_has_it_beside_others_and_never_beside_one_who_wants_it_alone() -> None:
    turns, gate = Turns(), threading.Event()
    began, together = list[str](), threading.Barrier(3)

    def share(_: int) -> None:
        with turns.turn(beside=True):
            together.wait(10)
            gate.wait(10)
        began.append("shared")

    def alone() -> None:
        with turns.turn():
            began.append("alone")

    threads = [threading.Thread(target=share, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    together.wait(10)  # both have it
    threads.append(threading.Thread(target=alone))
    threads[-1].start()
    assert until(lambda: turns.waiting() == 1)
    threads.append(threading.Thread(target=lambda: began.append(_came(turns))))
    threads[-1].start()
    assert until(lambda: turns.waiting() == 2)  # who comes after one who wants it alone waits, though it would share
    assert began == []
    gate.set()
    for thread in threads:
        thread.join()
    assert sorted(began) == ["alone", "last", "shared", "shared"]
    assert began.index("alone") < began.index("last")


def _came(turns: Turns) -> str:
    with turns.turn(beside=True):
        return "last"
