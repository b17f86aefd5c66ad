"""Are the guarantees G1 to G6 kept? Judged from what is stored alone, by statements and rules written a second time.

Nothing here knows how a service works, so that what is concluded does not repeat a service's mistake.
"""
