"""Regional Prompter's settings, kept apart from the prompts they are used with."""

from __future__ import annotations

from dataclasses import dataclass

from ildm.conditioning.regional_prompter.division import Calculation, Division
from ildm.conditioning.regional_prompter.reading import Mask, Mode, read_division


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `read_division` takes beside the prompts and the mask, by the same names."""

    ratios: str
    mode: Mode
    flip: bool
    base_ratios: str
    use_base: bool
    use_common: bool
    use_common_negative: bool
    keep_and: bool
    threshold: str
    calculation: Calculation

    def read(self, prompt: str, negative_prompt: str = "", *, mask: Mask | None = None) -> Division:
        """Read prompts with these settings, see `read_division`."""
        return read_division(
            prompt,
            negative_prompt,
            ratios=self.ratios,
            mode=self.mode,
            flip=self.flip,
            base_ratios=self.base_ratios,
            use_base=self.use_base,
            use_common=self.use_common,
            use_common_negative=self.use_common_negative,
            keep_and=self.keep_and,
            threshold=self.threshold,
            calculation=self.calculation,
            mask=mask,
        )
