"""What must be known before a command can act, and is found out beside the steps: encoded prompts, the place of a word."""

from __future__ import annotations

from ildm.core.errors import IldmError
from ildm.sampler.state import SamplerState
from ildm.session.blobs import Blobs
from ildm.session.commands import Command, Compare, SetGuidance, SetNegativePrompt, SetNumSteps, SetPrompt, StartOver
from ildm.session.composing import words_of
from ildm.session.conditions import Key
from ildm.session.editing import chosen, edited, started_over
from ildm.session.region_commands import (
    AddRegion,
    AddRegionFromWord,
    ChangeRegion,
    RemoveRegion,
    ReorderRegions,
    ReplaceRegions,
    SetRegionRules,
)
from ildm.session.region_editing import with_regions
from ildm.session.settings import Settings
from ildm.session.steering import Steering


def locate(steering: Steering, state: SamplerState, settings: Settings, command: AddRegionFromWord) -> AddRegionFromWord:
    """The command with the mask of its word, found in a state where it has none yet.

    Raises:
        ConfigError: when the word is not in the prompt, or the model cannot tell where it is.
        NotNow: before the first step.
    """
    if command.mask is not None:
        return command
    return command.model_copy(update={"mask": steering.where(command.word, state, settings)})


def foresee(settings: Settings, command: Command) -> tuple[list[Key], Settings]:
    """The prompts that must be encoded before a command can act under some settings, with the size that each is drawn at; and the
    settings that it leaves, as far as words go. Where it leads elsewhere in the tree, nobody knows those yet: they are taken to stay.
    """
    try:
        after = _worded(settings, command)
        keys = list(dict.fromkeys((words, one.size) for one in after for words in words_of(one)))
        left = _without_words(settings, command) if not after else after[0]
    except IldmError:
        return [], settings  # it will be refused when it acts
    return keys, left


def _worded(settings: Settings, command: Command) -> list[Settings]:
    """The settings that a command puts in force, where it changes words; the first are those that the next step is made with."""
    match command:
        case SetPrompt() | SetNegativePrompt() | SetGuidance() | SetNumSteps():
            return [edited(settings, command)]
        case AddRegion() | AddRegionFromWord() | ChangeRegion() | ReplaceRegions() | SetRegionRules():
            return [with_regions(settings, command, Blobs())]
        case Compare(choices=choices):
            return [chosen(settings, choice) for choice in choices]
        case StartOver():
            return [started_over(settings, command)]
        case _:
            return []


def _without_words(settings: Settings, command: Command) -> Settings:
    """The settings behind a command that says nothing new."""
    match command:
        case RemoveRegion() | ReorderRegions():
            return with_regions(settings, command, Blobs())
        case _:
            return settings
