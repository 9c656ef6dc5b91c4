"""The tree of states keeps its shape whatever is done to it."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ildm.core.errors import ConfigError
from ildm.session.editing import changed
from ildm.session.settings import Settings, Start
from ildm.session.timeline import Timeline

NOISE = "0" * 64
BASE = Settings(num_steps=4, guidance_scale=1.0, sampler="euler", seed=0, width=8, height=8)


class Growing(RuleBasedStateMachine):
    """A tree beside the plainest account of it: each branch's way as a list, each node's parent in a dictionary."""

    @initialize()
    def start(self):
        self.timeline = Timeline()
        first = self.timeline.begin(None, BASE)
        self.ways = {self.timeline.fork(first.id, BASE).id: [first.id]}
        self.parents = {first.id: None}
        self.count, self.branches = 1, 1
        self.names = {}

    def pick(self, data, among):
        return data.draw(st.sampled_from(sorted(among)))

    @rule(data=st.data(), seed=st.integers(0, 3))
    def grow(self, data, seed):
        branch = self.pick(data, self.ways)
        wanted = changed(BASE, seed=seed)
        node = self.timeline.grow(branch, wanted)
        tip = self.ways[branch][-1]
        assert (node.id, node.parent, node.origin) == (self.count, tip, "step")
        assert node.step == self.timeline.node(tip).step + 1
        assert node.settings == self.timeline.branch(branch).settings == wanted
        self.parents[node.id] = tip
        self.ways[branch].append(node.id)
        self.count += 1

    @rule(data=st.data(), start=st.none() | st.integers(0, 4))
    def begin_elsewhere(self, data, start):
        parent = self.pick(data, self.parents)
        wanted = changed(BASE, start=None if start is None else Start(source=NOISE, step=start))
        node = self.timeline.begin(parent, wanted)
        branch = self.timeline.fork(node.id, wanted)
        assert (node.step, node.origin) == (start or 0, "start")
        self.parents[node.id] = parent
        self.ways[branch.id] = [*self.path(parent), node.id]
        self.count += 1
        self.branches += 1

    @rule(data=st.data(), name=st.none() | st.text(min_size=1, max_size=3))
    def fork(self, data, name):
        node = self.pick(data, self.parents)
        branch = self.timeline.fork(node, BASE, name)
        assert (branch.id, branch.tip, branch.name) == (self.branches, node, name)
        self.ways[branch.id] = self.path(node)
        self.branches += 1

    @precondition(lambda self: len(self.ways) > 1)
    @rule(data=st.data())
    def delete(self, data):
        branch = self.pick(data, self.ways)
        before = set(self.parents)
        gone = self.timeline.delete(branch)
        del self.ways[branch]
        needed = {node for way in self.ways.values() for node in way}
        assert gone == sorted(before - needed)
        for node in gone:
            del self.parents[node]
            self.names.pop(node, None)
            with pytest.raises(ConfigError, match=f"no state {node}"):
                self.timeline.node(node)
        with pytest.raises(ConfigError, match=f"no branch {branch}"):
            self.timeline.branch(branch)

    @precondition(lambda self: len(self.ways) == 1)
    @rule()
    def delete_the_last(self):
        with pytest.raises(ConfigError, match="only branch"):
            self.timeline.delete(*self.ways)

    @rule(data=st.data(), name=st.none() | st.text(min_size=1, max_size=3))
    def name(self, data, name):
        node = self.pick(data, self.parents)
        self.timeline.name_node(node, name)
        self.names[node] = name

    @rule(data=st.data())
    def travel(self, data):
        branch = self.pick(data, self.ways)
        way = self.ways[branch]
        steps = [self.timeline.node(node).step for node in way]
        for step in range(max(steps) + 2):
            if step in steps:
                latest = max(place for place, one in enumerate(steps) if one == step)
                assert self.timeline.at_step(branch, step).id == way[latest]
            else:
                with pytest.raises(ConfigError, match=f"{min(steps)} to {max(steps)} steps, but {step} was"):
                    self.timeline.at_step(branch, step)
        node = self.pick(data, self.parents)
        following = way[way.index(node) + 1 :] if node in way else []
        after = self.timeline.after(branch, node)
        assert (None if after is None else after.id) == (following[0] if following else None)
        through = [number for number, one in sorted(self.ways.items()) if node in one]
        if through:
            assert self.timeline.branch_through(node, branch).id == (branch if branch in through else through[0])

    @rule()
    def keep_and_come_back(self):
        again, branches = Timeline(), list(self.timeline.branches.values())
        again.restore(list(self.timeline.nodes.values()), branches, num_branches=self.branches)
        assert (again.nodes, again.branches) == (self.timeline.nodes, self.timeline.branches)
        node = again.begin(None, BASE).id
        assert node > max(self.parents)
        assert again.fork(node, BASE).id == self.branches

    @invariant()
    def is_a_tree(self):
        timeline = self.timeline
        assert set(timeline.nodes) == set(self.parents)
        assert set(timeline.branches) == set(self.ways)
        assert {node.id: node.parent for node in timeline.nodes.values()} == self.parents
        for number, node in timeline.nodes.items():
            assert node.id == number
            assert node.parent is None or node.parent < number
            assert node.name == self.names.get(number)
        for number, way in self.ways.items():
            assert [node.id for node in timeline.way(number)] == way
            assert timeline.branch(number).tip == way[-1]

    def path(self, node):
        way = [node]
        while (parent := self.parents[way[0]]) is not None:
            way.insert(0, parent)
        return way


TestGrowing = Growing.TestCase
TestGrowing.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_changing_one_branch_leaves_the_others():
    timeline = Timeline()
    first = timeline.begin(None, BASE)
    one, two = (timeline.fork(first.id, BASE) for _ in range(2))
    timeline.change(one.id, changed(BASE, prompt="else"))
    timeline.name_branch(one.id, "mine")
    assert timeline.branch(one.id).settings.prompt == "else"
    assert timeline.branch(one.id).name == "mine"
    assert timeline.branch(two.id) == two
    assert timeline.node(first.id).settings == BASE


def test_what_is_not_there_is_a_sentence():
    timeline = Timeline()
    first = timeline.begin(None, BASE)
    timeline.fork(first.id, BASE)
    for wrong in (
        lambda: timeline.grow(3, BASE),
        lambda: timeline.fork(9, BASE),
        lambda: timeline.change(3, BASE),
        lambda: timeline.name_node(9, "a"),
        lambda: timeline.name_branch(3, "a"),
        lambda: timeline.delete(3),
        lambda: timeline.branch_through(9, 0),
        lambda: list(timeline.ancestry(9)),
    ):
        with pytest.raises(ConfigError, match=r"no (branch 3|state 9)|only branch"):
            wrong()
    assert list(timeline.nodes) == list(timeline.branches) == [0]
