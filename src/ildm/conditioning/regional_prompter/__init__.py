"""Regional Prompter's ways of dividing an image among prompts, read and written: prompt words, colour masks, presets."""

from ildm.conditioning.regional_prompter.colours import degrees, read_colours, write_colours
from ildm.conditioning.regional_prompter.division import Division, Part, Word
from ildm.conditioning.regional_prompter.keywords import escape
from ildm.conditioning.regional_prompter.presets import Preset, UnreadPreset, read_presets
from ildm.conditioning.regional_prompter.reading import read_division
from ildm.conditioning.regional_prompter.settings import Settings
from ildm.conditioning.regional_prompter.writing import write_division

__all__ = [
    "Division",
    "Part",
    "Preset",
    "Settings",
    "UnreadPreset",
    "Word",
    "degrees",
    "escape",
    "read_colours",
    "read_division",
    "read_presets",
    "write_colours",
    "write_division",
]
