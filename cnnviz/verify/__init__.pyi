"""The door of verify/: nothing passes it, the room is a command of its own."""
