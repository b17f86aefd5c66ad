"""All of decision's SQL: pages and outcomes (the hot path), workflows and directory, and the quarantine."""
