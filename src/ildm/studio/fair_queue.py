"""Sessions that wait for their first step. Users take turns, so that one who asks for twenty pictures keeps nobody from one."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """First in, first out for each user; between users, in turn."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Item]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def count(self, user: str) -> int:
        """How many of a user's wait."""
        return len(self._lines.get(user, ()))

    def put(self, user: str, item: Item) -> None:
        """Let something wait."""
        self._lines.setdefault(user, deque()).append(item)

    def take(self) -> Item:
        """What comes next; its user goes to the end.

        Raises:
            IndexError: when nothing waits.
        """
        if not self._lines:
            raise IndexError("nothing waits")
        user, line = self._lines.popitem(last=False)
        item = line.popleft()
        if line:
            self._lines[user] = line
        return item

    def remove(self, item: Item) -> bool:
        """Let something wait no more. Returns whether it did."""
        for user, line in self._lines.items():
            if item in line:
                line.remove(item)
                if not line:
                    del self._lines[user]
                return True
        return False

    def order(self) -> list[Item]:
        """All that wait, in the order in which they will be taken if nothing more comes."""
        lines = [deque(line) for line in self._lines.values()]
        found = list[Item]()
        while lines:
            found += [line.popleft() for line in lines]
            lines = [line for line in lines if line]
        return found
