"""Which concepts appear in a scene, in which styles: the splits' rules as draws."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ildm.core.errors import ConfigError
from ildm.data.concepts import Concept
from ildm.data.splits import Split, held_out_style, is_held_out_together, partners
from ildm.data.sprites import SpriteStore

_TRIES = 64


@dataclass(frozen=True, kw_only=True)
class Role:
    """One object of a scene before it is placed."""

    concept: Concept
    style: str


class Cast:
    """Draws the objects of scenes of one split.

    Args:
        concepts: those that may appear.
        styles: names of the styles that may appear.
        mixed_share: share of the scenes with several objects whose styles differ, in [0, 1].

    Raises:
        ConfigError: when the split cannot show anything with these concepts and styles.
    """

    def __init__(
        self, sprites: SpriteStore, split: Split, concepts: tuple[Concept, ...], styles: tuple[str, ...], mixed_share: float
    ) -> None:
        self._split = split
        self._mixed_share = mixed_share
        drawn = {style: sprites.codes(style) for style in styles}
        allowed = {
            style: [one for one in concepts if one.code in drawn[style] and held_out_style(one) != style] for style in styles
        }
        self._allowed = {style: found for style, found in allowed.items() if found}
        self._pairs = [
            Role(concept=one, style=style)
            for style in styles
            for one in concepts
            if one.code in drawn[style] and held_out_style(one) == style
        ]
        known = {one.index: one for one in concepts}
        self._partners = {
            (style, one): [known[index] for index in partners(one).tolist() if index in known and known[index] in members]
            for style, members in ((style, set(found)) for style, found in self._allowed.items())
            for one in (self._allowed[style] if split == "unseen_concept_pair" else ())
        }
        self._leads = [Role(concept=one, style=style) for (style, one), found in self._partners.items() if found]
        self._check(split, concepts, styles)

    def draw(self, rng: random.Random, count: int) -> list[Role]:
        """The roles of one scene of at most `count` objects, all of different concepts; fewer where no more can be had."""
        if self._split == "unseen_pair":
            roles = [self._pairs[int(rng.random() * len(self._pairs))]]
        elif self._split == "unseen_concept_pair":
            lead = self._leads[int(rng.random() * len(self._leads))]
            found = self._partners[lead.style, lead.concept]
            roles = [lead, Role(concept=found[int(rng.random() * len(found))], style=lead.style)]
        else:
            roles = [self._draw_one(rng, self._draw_style(rng))]
        mixed = rng.random() < self._mixed_share
        fixed = len(roles)
        for _ in range(_TRIES):
            if len(roles) >= count:
                break
            role = self._draw_one(rng, self._draw_style(rng) if mixed else roles[0].style)
            if role is not None and all(self._may_join(role, other) for other in roles):
                roles.append(role)
        if fixed < len(roles) and rng.random() < 0.5:
            roles.reverse()
        return roles

    def _draw_style(self, rng: random.Random) -> str:
        names = list(self._allowed)
        return names[int(rng.random() * len(names))]

    def _draw_one(self, rng: random.Random, style: str) -> Role:
        found = self._allowed[style]
        return Role(concept=found[int(rng.random() * len(found))], style=style)

    def _may_join(self, role: Role, other: Role) -> bool:
        return role.concept != other.concept and not is_held_out_together(role.concept, other.concept)

    def _check(self, split: Split, concepts: tuple[Concept, ...], styles: tuple[str, ...]) -> None:
        members = {"unseen_pair": self._pairs, "unseen_concept_pair": self._leads}.get(split, self._allowed)
        if not members:
            raise ConfigError(
                f"The split {split!r} is empty for {len(concepts)} concepts in the styles {', '.join(styles)}: "
                "give more concepts or styles, or build the sprites of these styles."
            )
