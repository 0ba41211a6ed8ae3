"""`make repro`: DVC between what has to be true before it and what follows it. A command: nothing imports this room."""
