"""Lists of sessions, and how one is found."""

import pytest
from kept import begin, fill, node, opened, settings, step

from ildm.core.errors import ConfigError
from ildm.session.commands import SetPrompt
from ildm.session.events import CommandApplied
from ildm.session.settings import Region

DAY = 86400.0


def test_a_session_is_called_by_its_first_prompt(store):
    begin(store, "one", prompt="")
    assert store.sessions()[0].title == ""
    for seq, text in enumerate(("", "a red rose", "a blue key"), 1):
        edit = CommandApplied(seq=seq, op=seq, command=SetPrompt(text=text), received_step=0, applied_step=0, node=0)
        store.append("one", events=[edit]).result()
    assert store.sessions()[0].title == "a red rose"
    store.rename("one", "for grandmother")
    assert store.sessions()[0].title == "for grandmother"
    store.create("two", opened(), title="my own name").result()
    assert store.load("two").summary.title == "my own name"


def test_the_session_that_changed_last_comes_first_with_its_figures(store, clock):
    for number, session_id in enumerate(("one", "two", "three")):
        clock.now = 1.0e9 + number
        begin(store, session_id)
    clock.now += DAY
    store.append("one", **step(1)).result()
    assert [session.id for session in store.sessions()] == ["one", "three", "two"]
    first = store.sessions()[0]
    assert (first.model, first.num_nodes, first.created, first.updated) == ("emoji-scenes", 2, 1.0e9, clock.now)
    assert 2 * 4096 < first.bytes < 2 * 4096 + 2000


def test_sessions_are_found_by_any_of_their_words(store):
    fill(store, "aaa1")
    begin(store, "bbb2", prompt="Ein GRÜNER Apfel, 100 %")
    found = lambda text: [session.id for session in store.sessions(text)]  # noqa: E731
    assert found("LION") == ["aaa1"]
    assert found("grüner apfel") == ["bbb2"]
    assert found("100 %") == ["bbb2"]
    assert found("bb2") == ["bbb2"]
    assert sorted(found("emoji-SCENES")) == ["aaa1", "bbb2"]
    assert found("heun") == []
    assert len(found("")) == 2
    assert found("apfel grüner") == ["bbb2"], "all of the words, in any order"
    assert found("apfel lion") == []
    painted = settings("a plain grey background", regions=(Region(id="one", prompt="an Orange Fox", mask=None),))
    store.append("bbb2", nodes=[node(1, settings=painted)]).result()
    assert found("orange fox") == ["bbb2"], "what regions say counts"
    assert found("grey fox apfel") == ["bbb2"]
    assert found("one") == [], "a region's name is not said"


def test_an_id_is_known_by_as_much_of_it_as_is_its_alone(store):
    for session_id in ("abc1", "abc2", "ab"):
        begin(store, session_id)
    assert store.find("abc1") == "abc1"
    assert store.find("ab") == "ab"
    with pytest.raises(ConfigError, match=r"2 sessions' ids begin with 'abc' \(abc1, abc2\)"):
        store.find("abc")
    for unknown in ("x", ""):
        with pytest.raises(ConfigError, match="No session's id begins with"):
            store.find(unknown)
