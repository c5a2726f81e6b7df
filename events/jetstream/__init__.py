"""The tape on NATS JetStream."""
