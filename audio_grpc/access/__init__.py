"""Who may call, how much, and from where."""
