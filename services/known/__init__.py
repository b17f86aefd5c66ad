"""What the guards of ``services.rules`` look at, read as it is now, for those who judge before ``decision`` does: a page, and what
the directory and the workflows say."""
