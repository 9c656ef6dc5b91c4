"""A live run: commands in, events out, a tree of states that can be rewound, branched, kept and replayed."""
