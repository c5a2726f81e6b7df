"""QuestDB: the server as a child process, its tables and views, what is written to it and read from it."""
