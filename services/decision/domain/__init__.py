"""Pure decisions: (state, command, what is known, now) → state, event, outcome. No I/O, no clock, no logger."""
