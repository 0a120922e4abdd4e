"""The command line: `suimon`. A module a group of commands, imported when the command is called."""
