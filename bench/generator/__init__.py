"""The load generator against Locust's FastHttpUser and wrk."""
