"""What handlers and the command line call: services send commands and run queries; handlers only word."""
