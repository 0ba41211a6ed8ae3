"""The door of versus/: nothing passes it, the room is a command of its own."""
