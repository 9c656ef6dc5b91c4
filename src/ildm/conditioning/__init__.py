"""From what a person says to a `Conditioning`: text, and later boxes, maps and regions."""
