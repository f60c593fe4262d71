"""Heights of many messages with logarithmic sums (a Fenwick tree)."""

from __future__ import annotations

from collections.abc import Iterable


class Heights:
    """Heights in lines: set one, sum a prefix or find a line, each in O(log n)."""

    __slots__ = ("_tree", "_values", "total")

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._values = list(values)
        self.total = sum(self._values)
        tree = [0, *self._values]
        size = len(tree)
        for index in range(1, size):
            parent = index + (index & -index)
            if parent < size:
                tree[parent] += tree[index]
        self._tree = tree

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: int) -> int:
        return self._values[index]

    def __setitem__(self, index: int, value: int) -> None:
        change = value - self._values[index]
        if not change:
            return
        self._values[index] = value
        self.total += change
        tree, position = self._tree, index + 1
        while position < len(tree):
            tree[position] += change
            position += position & -position

    def append(self, value: int) -> None:
        """Add one height at the end."""
        index = len(self._tree)
        covered = self.before(index - 1) - self.before(index - (index & -index))
        self._values.append(value)
        self._tree.append(covered + value)
        self.total += value

    def cut(self, size: int) -> None:
        """Keep the first `size` heights."""
        self.total = self.before(size)
        del self._values[size:], self._tree[size + 1 :]

    def extend(self, values: Iterable[int]) -> None:
        """Add heights at the end."""
        for value in values:
            self.append(value)

    def before(self, index: int) -> int:
        """The sum of all heights before `index`: the line at which it begins."""
        tree, total = self._tree, 0
        while index > 0:
            total += tree[index]
            index -= index & -index
        return total

    def find(self, line: int) -> tuple[int, int]:
        """(index, line within it) of a line of the whole; clamped to the first and the last."""
        if line < 0 or not self._values:
            return 0, 0
        if line >= self.total:
            last = len(self._values) - 1
            return last, max(0, self._values[last] - 1)
        tree, position, rest = self._tree, 0, line
        step = 1 << (len(tree) - 1).bit_length()
        while step:
            following = position + step
            if following < len(tree) and tree[following] <= rest:
                position = following
                rest -= tree[following]
            step >>= 1
        return position, rest
