"""The paper's studies at a scale that one machine can afford: many models trained alike but for one thing, and compared."""
