"""What must hold before a commit is released, one file a check; what they find goes into ``dist/`` as the release's evidence."""
