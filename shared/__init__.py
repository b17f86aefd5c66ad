"""What every service shares: contracts on the wire and on disk, and mechanism. Never a rule of the domain."""
