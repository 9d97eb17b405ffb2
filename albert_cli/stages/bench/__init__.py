"""`albert bench`: how fast this machine does the work, beside others where asked for."""
