"""What was made last is made once, on whichever threads it is asked for."""

import sys
import threading

from ildm.core.recent import Recent


def test_those_asked_for_last_are_kept():
    made, recent = [], Recent(2)
    for key in "abacabc":
        assert recent.get(key, lambda key=key: made.append(key) or key.upper()) == key.upper()
    assert made == ["a", "b", "c", "b", "c"]


def test_a_value_may_be_nothing():
    made, recent = [], Recent(1)
    for _ in range(2):
        assert recent.get("a", lambda: made.append(1)) is None
    assert made == [1]


def test_what_fails_is_not_kept():
    recent = Recent(1)
    for divisor in (0, 2):
        try:
            found = recent.get("a", lambda divisor=divisor: 4 / divisor)
        except ZeroDivisionError:
            found = None
    assert found == 2


def test_of_two_that_are_made_at_once_all_get_the_first():
    recent, began, go_on, found = Recent(2), threading.Event(), threading.Event(), []

    def slowly():
        began.set()
        assert go_on.wait(60.0)
        return object()

    other = threading.Thread(target=lambda: found.append(recent.get("a", slowly)))
    other.start()
    assert began.wait(60.0)
    first = recent.get("a", object)
    go_on.set()
    other.join()
    assert found == [first]


def test_many_threads_may_ask_for_more_than_there_is_room_for():
    recent, problems, interval = Recent(3), [], sys.getswitchinterval()

    def ask(start):
        try:
            for number in range(20_000):
                key = (start + 7 * number) % 5
                assert recent.get(key, lambda key=key: key) == key
        except BaseException as error:
            problems.append(error)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(start,)) for start in range(3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.setswitchinterval(interval)
    assert not problems
