"""Command lines that cannot be read end like every other error: one sentence in our words, exit code 2."""

import pytest

import ildm
from ildm.cli.main import main
from ildm.cli.typed import check_typed
from ildm.core.errors import CheckpointError, ConfigError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "a", "--seed", "seven"], "--seed (of the first image; each further one adds 1) takes a whole number"),
        (["generate", "a", "--seed=7.5"], "but '7.5' was given"),
        (["generate", "a", "--count", "x", "--count", "0"], "but '0' was given"),
        (["study", "sampling", "m", "--guidance-scale", "x", "--guidance-scale", "2"], "but 'x' was given"),
        (["study", "sampling", "m", "--num-steps", "0", "--num-steps", "10"], "from 1 to 1000, but '0' was given"),
        (["study", "sampling", "m", "--num-steps", "1.5", "--num-steps", "10"], "but '1.5' was given"),
        (["generate", "a", "--count", "0"], "takes a whole number from 1 to 10000, but '0' was given"),
        (["generate", "a", "--count", "10001"], "takes a whole number from 1 to 10000, but '10001' was given"),
        (["generate", "a", "--num-steps", "-5"], "takes a whole number from 1 to 1000, but '-5' was given"),
        (["generate", "a", "--num-steps", "100000"], "takes a whole number from 1 to 1000, but '100000' was given"),
        (["generate", "a", "--width", "100000"], "takes a whole number from 1 to 4096, but '100000' was given"),
        (["generate", "a", "--height", "100000"], "takes a whole number from 1 to 4096, but '100000' was given"),
        (["generate", "a", "--guidance-scale", "nan"], "takes a number from 0 to 100, but 'nan' was given"),
        (["generate", "a", "--guidance-scale", "inf"], "takes a number from 0 to 100, but 'inf' was given"),
        (["generate", "a", "--guidance-scale", "-1"], "takes a number from 0 to 100, but '-1' was given"),
        (["generate", "a", "--guidance-scale", "much"], "takes a number from 0 to 100, but 'much' was given"),
        (["generate"], "ildm generate needs PROMPT (what to draw; several prompts make several images)"),
        (["generate", "a", "--sedd", "3"], "ildm generate has no option --sedd: did you mean '--seed'?"),
        (["generate", "a", "--seed"], "The option --seed needs a value, but none was given: `ildm generate --help`"),
        (["generate", "a", "--json=3"], "The option --json takes no value, but one was given: `ildm generate --help`"),
        (["models", "zzzz"], "ildm models has no command 'zzzz': known: fit-preview, get."),
        (["generaet", "a"], "ildm has no command 'generaet': did you mean 'generate'?"),
        (["data", "emojy"], "ildm data has no command 'emojy': did you mean 'emoji'?"),
        (["data", "import", "photos"], "ildm data import needs --name"),
        (["generate", "fox\udce9"], "'fox\\udce9' is not UTF-8 as this terminal passes it on"),
        (["generate", "a", "--negative-prompt", "\udcc3\udcbc"], "'\\udcc3\\udcbc' is not UTF-8"),
        (["generate", "a BREAK \udce9", "--split", "1,1"], "is not UTF-8"),
        (["regions", "rename", "a", "\udce9" * 300], "is not UTF-8"),
        (["generate", "a", "--device", "meta"], "There is no device 'meta' here: take cpu"),
        (["evaluate", "fake", "--num-steps", "0"], "takes a whole number from 1 to 1000, but '0' was given"),
        (["evaluate", "fake", "--count", "0"], "takes a whole number from 10 to 1000000, but '0' was given"),
        (["evaluate", "fake", "--split", "unsen"], "--split takes one of train, unseen_scene"),
        (["evaluate", "fake", "--sprites", "sampl"], "did you mean 'sample'?"),
        (["data", "emoji", "--split", "unseen_stile"], "did you mean 'unseen_style'?"),
    ],
)
def test_it_is_one_sentence_in_our_words(run, arguments, said):
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("ildm: ") and said in ended.err and len(ended.err.splitlines()) == 1


def test_debug_may_stand_anywhere(monkeypatch):
    for line in ("ildm --debug info nothing-like-it", "ildm info nothing-like-it --debug", "ildm info --debug nothing-like-it"):
        monkeypatch.setattr("sys.argv", line.split())
        with pytest.raises(CheckpointError):
            main()


def test_a_prompt_may_read_debug(run):
    ended = run("info", "--", "--debug")
    assert ended.code == 2 and "There is no model '--debug'" in ended.err


def test_the_version_is_told(run):
    assert run("--version").out == f"ildm {ildm.__version__}\n"


def test_the_program_alone_shows_its_commands(run):
    for words in ((), ("data",)):
        ended = run(*words)
        assert ended.code == 0 and "Usage" in ended.out and ended.err == "" and ended.out.count("Usage") == 1


def test_an_interruption_ends_with_130(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ildm.checkpoint.named.known_names", interrupted)
    ended = run("models")
    assert ended.code == 130 and ended.err.strip() == "ildm: interrupted."


def test_a_file_that_is_there_may_be_called_anything(tmp_path):
    odd = tmp_path / "fox\udce9.png"
    for arguments in (["info", str(odd)], ["generate", f"--like={odd}"]):
        with pytest.raises(ConfigError, match="is not UTF-8"):
            check_typed(arguments)
    odd.touch()
    check_typed(["info", str(odd), f"--like={odd}"])
