"""Any record comes back as it was."""

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kept import opened, settings

from ildm.session.events import SessionOpened
from ildm.session.settings import Region
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord, new_session_id

numbers = st.integers(0, 2**53 - 1)
names = st.none() | st.text(min_size=1, max_size=20)
any_settings = st.builds(
    settings,
    st.text(max_size=40),
    negative_prompt=st.text(max_size=10),
    guidance_scale=st.floats(0, 100),
    seed=numbers,
    regions=st.lists(st.builds(Region, id=st.text(min_size=1, max_size=9), prompt=st.text(max_size=9)), max_size=2).map(tuple),
)
any_nodes = st.lists(
    st.builds(NodeRecord, id=numbers, parent=st.none(), step=numbers, origin=st.sampled_from(("start", "step")), name=names,
              settings=any_settings),
    max_size=4,
    unique_by=lambda one: one.id,
)  # fmt: skip
any_branches = st.lists(
    st.builds(BranchRecord, id=numbers, tip=numbers, name=names, deleted=st.booleans(), settings=any_settings),
    max_size=4,
    unique_by=lambda one: one.id,
)
any_content = st.binary(max_size=100)


# the checker of annotations draws an item of each list by chance
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_nodes, any_branches, st.text(max_size=30), st.data())
def test_any_record_comes_back_as_it_was(store, nodes, branches, prompt, data):
    ids = [one.id for one in nodes]
    contents = data.draw(st.dictionaries(st.sampled_from(ids), any_content)) if ids else {}
    positions = [
        PositionRecord(cursor=place, node=number, branch=place, settings=settings(prompt), following=data.draw(st.booleans()))
        for place, number in enumerate(ids)
    ]
    session_id = new_session_id()  # after the last draw, which may end an example
    begun = SessionOpened(**{**dict(opened()), "settings": settings(prompt)})
    store.create(session_id, begun)
    store.append(session_id, nodes=nodes, branches=branches, positions=positions, snapshots=contents, images=contents).result()
    session = store.load(session_id)
    assert session.opened == begun
    assert session.nodes == tuple(sorted(nodes, key=lambda one: one.id))
    assert session.branches == tuple(sorted(branches, key=lambda one: one.id))
    assert session.positions == tuple(positions)
    assert {number: session.snapshot(number) for number in session.snapshot_nodes} == contents
    assert {number: session.image(number) for number in session.image_nodes} == contents
    assert session.summary.title == prompt
