"""Pure: what is shown, from what is stored and what a visitor typed. No I/O, no clock, no logger."""
