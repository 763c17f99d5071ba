"""What all clients of HTTP services share: one exchange, a reply, deadlines, retries. No service is known here."""
