"""The process that we share with the user, and the processes that we start."""
