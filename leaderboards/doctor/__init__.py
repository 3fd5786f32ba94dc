"""What is installed and what works on this machine, a line each, with the command that mends it."""
